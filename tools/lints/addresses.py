"""Nothing in the tree names a package registry's host or a folder of the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.lints.source import ROOT, Finding, Source

HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "repo1." + "maven", "repo.maven" + ".apache", "registry." + "npmjs")
ADDRESS = re.compile("|".join(re.escape(host) for host in HOSTS))
MACHINE = (
    re.compile(rf"{re.escape(str(ROOT.parent))}/|/home/[a-z]+/|/Users/[a-z]+/") if str(ROOT.parent) != "/" else None
)


def no_addresses_of_registries(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if ADDRESS.search(line):
            yield Finding(source.path, number, "names a package registry's host; leave it to the client's settings")


def no_paths_of_this_machine(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if MACHINE and MACHINE.search(line):
            yield Finding(source.path, number, "names a folder of one machine; use a path relative to the root")
