"""The pages that send readers to files name files that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.lints.source import Finding, Source

PAGES = {"docs/architecture.md", "docs/a-heartbeats-way.md"}
FILE = re.compile(r"`([\w./…-]+\.(?:py|md|js|yaml))`")


def pages_name_files_that_are_there(sources: Iterable[Source]) -> Iterator[Finding]:
    """A name may leave out folders before it, by `…/` or altogether."""
    files = list(sources)
    ends = {"/".join(source.parts[start:]) for source in files for start in range(len(source.parts))}
    for source in files:
        if source.path in PAGES:
            for number, line in enumerate(source.text.splitlines(), 1):
                for name in FILE.findall(line):
                    if name.rpartition("…/")[2] not in ends:
                        yield Finding(source.path, number, f"{name} is no file; name the one that took its place")
