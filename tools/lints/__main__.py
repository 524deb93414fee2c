"""`python -m tools.lints`: every rule over every tracked file; exit status 1 when one is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tools.lints import addresses, edges, purity, shape
from tools.lints.behaviour import rules_and_tests_agree
from tools.lints.pages import pages_name_files_that_are_there
from tools.lints.source import Finding, Source, tracked

RULES: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    purity.domain_is_pure,
    edges.brokers_come_from_the_chassis,
    edges.nothing_publishes_in_batches,
    edges.failures_are_named,
    edges.commits_happen_at_the_edge,
    edges.requests_stay_on_the_loop,
    shape.files_are_small,
    shape.functions_fit_a_screen,
    shape.files_are_named_in_the_fields_words,
    addresses.no_addresses_of_registries,
    addresses.no_paths_of_this_machine,
)
RULES_OF_ALL: tuple[Callable[[Iterable[Source]], Iterator[Finding]], ...] = (
    rules_and_tests_agree,
    pages_name_files_that_are_there,
)
"""Those that hold between files."""


def findings(sources: Iterable[Source]) -> list[Finding]:
    files = list(sources)
    found = [finding for source in files for rule in RULES for finding in rule(source)]
    return found + [finding for rule in RULES_OF_ALL for finding in rule(files)]


def main() -> int:
    found = findings(tracked())
    for finding in found:
        print(finding)
    rules = len(RULES) + len(RULES_OF_ALL)
    print(f"{len(found)} findings of {rules} rules" if found else f"{rules} rules kept")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
