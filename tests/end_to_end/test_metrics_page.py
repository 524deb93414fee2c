"""The page of metrics against what the running processes offer: nothing is missing on either side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from fettle_chassis import metrics as of_all
from fettle_console import metrics as of_console
from fettle_health_monitor import metrics as of_correlator
from fettle_health_monitor.judge import metrics as of_judge
from fettle_ticket_service import metrics as of_tickets
from fettle_workflow_engine import metrics as of_workflows
from tests.installation import SERVICES, Installation

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ALL, JUDGE, CORRELATOR = "Of every process", "Judge", "Correlator"
TICKETS, WORKFLOWS, CONSOLE = "Ticket service", "Workflow engine", "Console"
OFFERED: Mapping[str, tuple[str, ...]] = {
    "console": (CONSOLE,),
    "tickets": (TICKETS,),
    "tickets-relay": (TICKETS,),
    "judge": (JUDGE, CORRELATOR),
    "correlator": (JUDGE, CORRELATOR),
    "workflows": (WORKFLOWS,),
}
DECLARED = {
    ALL: of_all,
    JUDGE: of_judge,
    CORRELATOR: of_correlator,
    TICKETS: of_tickets,
    WORKFLOWS: of_workflows,
    CONSOLE: of_console,
}
ROW = re.compile(r"^\| `(fettle_\w+)` \| (\w+) \| (.*?)\| (.+) \|$", re.MULTILINE)


class Named(NamedTuple):
    """One metric, as the page or a process names it."""

    name: str
    kind: str
    meaning: str


def section(title: str) -> str:
    [text] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def on_page(titles: Iterable[str]) -> dict[Named, tuple[str, ...]]:
    """The metrics of these sections, with their labels."""
    return {
        Named(name, kind, meaning): tuple(re.findall(r"`(\w+)`", labels))
        for title in titles
        for name, kind, labels, meaning in ROW.findall(section(title))
    }


def full_name(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


@pytest.mark.rule("OP-97")
@pytest.mark.parametrize("title", DECLARED)
def test_each_metric_stands_on_the_page_with_its_labels(title: str) -> None:
    declared: dict[Named, tuple[str, ...]] = {}
    for value in vars(DECLARED[title]).values():
        if isinstance(value, MetricWrapperBase):
            [described] = value.describe()
            named = Named(full_name(described.name, described.type), described.type, described.documentation)
            declared[named] = tuple(value._labelnames)
    assert on_page([title]) == declared


@pytest.mark.rule("OP-97")
def test_what_to_look_at_is_there_and_has_the_labels_that_it_is_asked_by() -> None:
    labels = {named.name: of for named, of in on_page(DECLARED).items()}
    named = re.findall(r"`(fettle_\w+)(?:\{(\w+)=[^`]*\})?`", section("What to look at, when"))
    assert len(named) > 5
    for name, selected in named:
        assert name in labels, name
        assert not selected or selected in labels[name], (name, selected)


@pytest.mark.slow
@pytest.mark.rule("OP-97")
def test_every_process_offers_what_the_page_says_and_nothing_else(installation: Installation) -> None:
    assert OFFERED.keys() == SERVICES.keys()
    for process, (_, port) in SERVICES.items():
        shown = httpx2.get(f"http://127.0.0.1:{installation.environment[port]}/metrics", timeout=30.0).text
        families = list(text_string_to_metric_families(shown))
        offered = {
            Named(full_name(family.name, family.type), family.type, family.documentation)
            for family in families
            if not family.name.startswith(("python_", "process_")) and not family.name.endswith("_created")
        }
        named = on_page([ALL, *OFFERED[process]])
        assert offered == named.keys(), process
        labels = {each.name: set(of) for each, of in named.items()}
        for family in families:
            if of := labels.get(full_name(family.name, family.type)):
                for sample in family.samples:
                    assert sample.labels.keys() - {"le"} == of, (process, sample)
