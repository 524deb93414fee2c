"""Each rule of the project's own is broken by a sample and kept by its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tools.lints import addresses, edges, purity, shape
from tools.lints.__main__ import RULES, findings
from tools.lints.behaviour import rules_and_tests_agree
from tools.lints.pages import pages_name_files_that_are_there
from tools.lints.source import Finding, Source, tracked

Rule = Callable[[Source], Iterator[Finding]]
DOMAIN = "services/ticket-service/src/fettle_ticket_service/domain/ticket.py"
ADAPTER = "services/ticket-service/src/fettle_ticket_service/adapters/tickets.py"
CHASSIS = "libs/chassis/src/fettle_chassis/kafka.py"
TEST = "services/ticket-service/tests/test_ticket.py"

BROKEN: list[tuple[Rule, str, str]] = [
    (purity.domain_is_pure, DOMAIN, "async def f(): ..."),
    (purity.domain_is_pure, DOMAIN, "from datetime import datetime\nat = datetime.now()"),
    (purity.domain_is_pure, DOMAIN, "import time\nat = time.time()"),
    (purity.domain_is_pure, DOMAIN, "from uuid import uuid4\nid = uuid4()"),
    (purity.domain_is_pure, DOMAIN, "import random"),
    (purity.domain_is_pure, DOMAIN, "from sqlalchemy import text"),
    (purity.domain_is_pure, DOMAIN, "import aiokafka.errors"),
    (edges.brokers_come_from_the_chassis, ADAPTER, "broker = KafkaBroker()"),
    (edges.brokers_come_from_the_chassis, ADAPTER, "broker = faststream.kafka.KafkaBroker('x')"),
    (edges.nothing_publishes_in_batches, CHASSIS, "broker.publish_batch(a, b)"),
    (edges.nothing_publishes_in_batches, ADAPTER, "p = broker.publisher('t', batch=True)"),
    (edges.failures_are_named, ADAPTER, "try:\n    f()\nexcept Exception:\n    pass"),
    (edges.failures_are_named, ADAPTER, "try:\n    f()\nexcept:\n    pass"),
    (edges.commits_happen_at_the_edge, ADAPTER, "connection.commit()"),
    (edges.commits_happen_at_the_edge, ADAPTER, "work.connection.rollback()"),
    (edges.requests_stay_on_the_loop, ADAPTER, "def _desk(): ...\nTheDesk = Annotated[Desk, Depends(_desk)]"),
    (edges.requests_stay_on_the_loop, ADAPTER, "@router.get('/tickets')\ndef tickets(): ..."),
    (edges.requests_stay_on_the_loop, ADAPTER, "@router.api_route('/{path}')\ndef front(): ..."),
    (shape.files_are_small, ADAPTER, "\n" * 401),
    (shape.functions_fit_a_screen, ADAPTER, "def f():\n" + "    x = 1\n" * 70),
    (shape.files_are_named_in_the_fields_words, "cli/src/fettle_cli/utils.py", ""),
    (addresses.no_addresses_of_registries, "README.md", "see https://pypi" + ".org/project/x"),
    (addresses.no_paths_of_this_machine, "docs/x.md", "in /home" + "/ann/fettle"),
]
KEPT: list[tuple[Rule, str, str]] = [
    (purity.domain_is_pure, ADAPTER, "import random\nasync def f(): ..."),
    (purity.domain_is_pure, DOMAIN, "from uuid import uuid5\nfrom datetime import datetime, timedelta"),
    (edges.brokers_come_from_the_chassis, CHASSIS, "broker = KafkaBroker()"),
    (edges.nothing_publishes_in_batches, ADAPTER, "broker.publish(a, key=b)\np = broker.publisher('t')"),
    (edges.failures_are_named, CHASSIS, "try:\n    f()\nexcept Exception:\n    pass"),
    (edges.failures_are_named, ADAPTER, "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
    (edges.failures_are_named, ADAPTER, "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    (edges.commits_happen_at_the_edge, CHASSIS, "connection.commit()"),
    (edges.requests_stay_on_the_loop, ADAPTER, "async def _desk(): ...\nTheDesk = Annotated[Desk, Depends(_desk)]"),
    (edges.requests_stay_on_the_loop, ADAPTER, "@router.get('/tickets')\nasync def tickets(): ..."),
    (shape.files_are_small, ADAPTER, "\n" * 400),
    (shape.functions_fit_a_screen, ADAPTER, "def f():\n" + "    x = 1\n" * 69),
    (shape.functions_fit_a_screen, TEST, "def f():\n" + "    x = 1\n" * 90),
    (shape.files_are_named_in_the_fields_words, "cli/src/fettle_cli/heartbeat.py", ""),
    (addresses.no_addresses_of_registries, "README.md", "see https://example.org/pypi"),
    (addresses.no_paths_of_this_machine, "docs/x.md", "in /var/cache"),
]


def name_of(case: tuple[Rule, str, str]) -> str:
    return f"{case[0].__name__}-{case[2].splitlines()[-1].strip()[:30] if case[2].strip() else case[1]}"


@pytest.mark.rule("OP-13")
@pytest.mark.parametrize("case", BROKEN, ids=name_of)
def test_a_broken_rule_is_found_with_its_place(case: tuple[Rule, str, str]) -> None:
    rule, path, text = case
    found = list(rule(Source(path, text)))
    assert found
    assert all(str(finding).startswith(f"{path}:") and len(finding.message) > 20 for finding in found)
    assert [str(finding) for finding in findings([Source(path, text)])]


@pytest.mark.rule("OP-13")
@pytest.mark.parametrize("case", KEPT, ids=name_of)
def test_what_keeps_a_rule_is_left_alone(case: tuple[Rule, str, str]) -> None:
    rule, path, text = case
    assert list(rule(Source(path, text))) == []


@pytest.mark.rule("OP-13")
def test_every_rule_has_a_sample_that_breaks_it() -> None:
    assert {rule for rule, *_ in BROKEN} == set(RULES) == {rule for rule, *_ in KEPT}


def page(*rules: str) -> Source:
    return Source("docs/behaviour.md", "\n".join(f"- **{rule}** Something holds." for rule in rules))


def proof(*rules: str) -> Source:
    return Source(
        TEST, "\n".join(f"@pytest.mark.rule({rule!r})\ndef test_{place}(): ..." for place, rule in enumerate(rules))
    )


@pytest.mark.rule("OP-14")
@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([page("TS-1", "TS-2"), proof("TS-1")], "TS-2 has no test"),
        ([page("TS-1"), proof("TS-1", "TS-3")], "TS-3 is no rule"),
        ([page("TS-1", "TS-1"), proof("TS-1")], "TS-1 stands here twice"),
        (
            [page("TS-1"), Source("services/x/src/x/app.py", "@pytest.mark.rule('TS-1')\ndef f(): ...")],
            "TS-1 has no test",
        ),
    ],
)
def test_rules_without_tests_and_tests_without_rules_are_found(sources: list[Source], said: str) -> None:
    (finding,) = rules_and_tests_agree(sources)
    assert said in str(finding)


@pytest.mark.rule("OP-14")
def test_rules_that_are_proven_are_left_alone() -> None:
    several = Source(TEST, "pytestmark = pytest.mark.rule('TS-1', 'TS-2')")
    assert list(rules_and_tests_agree([page("TS-1", "TS-2"), several])) == []


def test_files_that_a_page_names_and_that_are_not_there_are_found() -> None:
    line = "`services/ticket-service/…/domain/ticket.py`, `ticket.py`, `domain/gone.py`; `hand_over`, `domain/`"
    sources = [Source(DOMAIN, ""), Source("docs/architecture.md", line), Source("docs/decisions/0001-x.md", line)]
    (finding,) = pages_name_files_that_are_there(sources)
    assert str(finding).startswith("docs/architecture.md:1: domain/gone.py is no file")


def test_the_rules_look_at_the_whole_tree() -> None:
    paths = {source.path for source in tracked()}
    assert {"Makefile", "docs/behaviour.md", "tools/lints/source.py", "tests/tools/test_lints.py"} <= paths
    assert not [path for path in paths if path.startswith((".venv/", ".fettle/"))]
