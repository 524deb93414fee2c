"""Two workflows beside a storm: one comments on every ticket that opens, one resolves some that people have opened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.installation import OrgApi
from tests.outside import Received


@dataclass(frozen=True)
class Flow:
    """A workflow with one action. `takes` says of a ticket that opens whether it is for it, as `where` does; `makes`,
    which entry its command makes where it is applied."""

    name: str
    where: str
    action: str
    takes: Callable[[Mapping[str, Any]], bool]
    makes: str

    @property
    def document(self) -> str:
        return (
            f"workflow: {self.name}\nenabled: true\nbudget_per_hour: 100000\nnodes:\n"
            f"  opened: {{trigger: ticket.opened, where: '{self.where}'}}\n"
            f"  deed: {{after: [opened], {self.action}}}\n"
        )


FLOWS = (
    Flow(
        "answers",
        "true",
        "action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Somebody looks into it.}",
        lambda _: True,
        "comment-added",
    ),
    Flow(
        "resolves",
        'event.ticket.source == "user" && event.ticket.number % 3 == 0',
        "action: ticket.resolve, with: {ticket: {ref: event.ticket.id}}",
        lambda ticket: bool(ticket["source"] == "user" and ticket["number"] % 3 == 0),
        "resolved",
    ),
)


def save_flows(api: OrgApi) -> None:
    for flow in FLOWS:
        answer = api.put_yaml(f"/workflows/{flow.name}", flow.document)
        assert answer.status_code == 201, answer.text


def missing_runs(api: OrgApi, tickets: list[dict[str, Any]]) -> set[str]:
    """By workflow how many of the runs that there should be have gone well, while they are fewer."""
    missing = set[str]()
    for flow in FLOWS:
        meant, done = sum(flow.takes(ticket) for ticket in tickets), len(api.runs(flow.name, state="done"))
        if done < meant:
            missing.add(f"{flow.name}: {done} runs of {meant}")
    return missing


def check_flows(api: OrgApi, tickets: list[dict[str, Any]], events: list[Received], results: list[Received]) -> None:
    """Each ticket that opened has one run of each workflow that it is for, each run's command one answer and the effect
    that it says; every ticket has one comment."""
    opened = {event.id: event.json()["ticket"] for event in events if event.json()["entry"]["type"] == "opened"}
    assert {ticket["id"] for ticket in opened.values()} == {ticket["id"] for ticket in tickets}
    caused: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for event in events:
        caused[event.headers.get("ce_causationid", "")][event.id] = event.json()
    for flow in FLOWS:
        meant = Counter(id for id, ticket in opened.items() if flow.takes(ticket))
        assert Counter(run["event_id"] for run in api.runs(flow.name)) == meant
        answers: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for record in results:
            body = record.json()
            if body["command_source"] == f"fettle/workflow-engine/{flow.name}":
                answers[body["command_id"]].add((record.id, body["outcome"]))
        assert len(answers) == meant.total()
        outcomes, touched = Counter[str](), Counter[str]()
        for command, said in answers.items():
            [(_, outcome)] = said
            made = list(caused[command].values())
            assert [body["entry"]["type"] for body in made] == [flow.makes] * (outcome == "applied"), (flow, command)
            outcomes[outcome] += 1
            touched.update(body["ticket"]["id"] for body in made)
        print(f"{flow.name}: {dict(outcomes)}")
        assert touched == Counter(touched.keys()), "a ticket was touched twice"
        if flow.makes == "comment-added":
            assert touched.keys() == {ticket["id"] for ticket in tickets}
        else:
            assert outcomes.keys() <= {"applied", "unchanged"}
            assert outcomes["applied"], "nothing was resolved"
