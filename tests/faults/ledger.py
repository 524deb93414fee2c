"""The books of an org after a storm: every command one effect, every verdict justified, nothing missing."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tests.faults.automation import check_flows, missing_runs
from tests.faults.desk import Desk
from tests.faults.keys import check_keys
from tests.faults.traffic import TRIGGERS, Commands, Fleet, Said
from tests.installation import Installation, OrgApi
from tests.outside import Received, read_all


def settle(
    installation: Installation, api: OrgApi, commands: Commands, desk: Desk, fleet: Fleet, within_s: float
) -> None:
    """Waits until everything sent has had its effect; AssertionError says what is missing."""
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    assert not commands.lost, f"{len(commands.lost)} were not taken by the broker: {commands.lost[0]}"

    def unanswered() -> set[str]:
        answers = read_all(bootstrap, installation.topic("ticket.command-results"))
        return {*commands.mix.said, *desk.mix.said} - {record.json()["command_id"] for record in answers}

    def without_ticket() -> set[str]:
        named = {_subject(ticket) for ticket in api.tickets()}
        return {
            *fleet.dying,
            *fleet.returning,
            *(f"other/{key}" for key in (*commands.mix.keys, *desk.mix.keys)),
        } - named

    def not_back() -> set[str]:
        back = {_subject(ticket) for ticket in api.tickets() if ticket["resolution"] == "recovered"}
        return set(fleet.returning) - back

    def unpublished() -> set[str]:
        newest: dict[str, int] = defaultdict(int)
        for event in _of(api, read_all(bootstrap, installation.topic("ticket.events"))):
            body = event.json()
            newest[body["ticket"]["id"]] = max(newest[body["ticket"]["id"]], body["entry"]["version"])
        return {ticket["id"] for ticket in api.tickets() if newest[ticket["id"]] != ticket["version"]}

    def not_run() -> set[str]:
        return missing_runs(api, api.tickets())

    for missing in (unanswered, without_ticket, not_back, not_run, unpublished):
        nothing_left(missing, within_s)


def nothing_left(missing: Callable[[], set[str]], within_s: float) -> None:
    """Waits until nothing is missing; AssertionError names what still is."""
    deadline = time.monotonic() + within_s
    while left := missing():
        if time.monotonic() > deadline:
            raise AssertionError(f"{missing.__name__} after {within_s:.0f} s: {len(left)}, such as {sorted(left)[:10]}")
        time.sleep(0.5)


def _subject(ticket: dict[str, Any]) -> str:
    return f"{ticket['subject']['type']}/{ticket['subject']['id']}"


def check(installation: Installation, api: OrgApi, commands: Commands, desk: Desk, fleet: Fleet) -> None:
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    tickets = api.tickets()
    events = _of(api, read_all(bootstrap, installation.topic("ticket.events")))
    results = _of(api, read_all(bootstrap, installation.topic("ticket.command-results")))
    assert not desk.changed_their_minds
    check_numbers(tickets)
    said = {**commands.mix.said, **desk.mix.said}
    check_commands(said, events, results)
    check_keys(said, events, results)
    check_answers(desk, results)
    check_moves(events)
    check_verdicts(tickets, fleet)
    check_events(installation, api, tickets, events)
    check_flows(api, tickets, events, results)
    check_chains(api, events)


def _of(api: OrgApi, records: list[Received]) -> list[Received]:
    return [record for record in records if record.json()["org"] == api.org]


def check_chains(api: OrgApi, events: list[Received]) -> None:
    """What stands is sound, and it is what was published, entry by entry and place by place."""
    last = json.loads(api.text("/tickets/verify").splitlines()[-1])
    assert last["verified"]["sound"], last
    seen = {}
    for body in (event.json() for event in events):
        entry = {name: body["entry"][name] for name in ("version", "hash")}
        seen[body["chain"]["place"]] = {"ticket": body["ticket"]["id"], **entry, **body["chain"]}
    assert sorted(seen) == list(range(1, last["verified"]["entries"] + 1))
    witnesses = list(seen.values())
    for first in range(0, len(witnesses), 2000):
        answer = api.post("/tickets/verify", {"seen": witnesses[first : first + 2000]})
        assert answer.json()["findings"] == []


def check_numbers(tickets: list[dict[str, Any]]) -> None:
    assert sorted(ticket["number"] for ticket in tickets) == list(range(1, len(tickets) + 1))


def check_commands(said: Mapping[str, Said], events: list[Received], results: list[Received]) -> None:
    """One answer per command, by whichever door, and the entries that it means or none, once each and on a ticket with
    its key."""
    answers: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for record in results:
        body = record.json()
        answers[body["command_id"]].add((record.id, body["outcome"]))
    caused: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for event in events:
        caused[event.headers.get("ce_causationid", "")][event.id] = event.json()
    outcomes: Counter[tuple[str, str]] = Counter()
    for identity, each in said.items():
        [(_, outcome)] = answers[identity]
        outcomes[each.verb, outcome] += 1
        made = sorted(caused[identity].values(), key=lambda body: body["entry"]["version"])
        means = each.entries if outcome == "applied" else [[]]
        assert [body["entry"]["type"] for body in made] in means, (identity, each, outcome)
        assert {body["ticket"]["dedup_key"] for body in made} <= {each.key}, identity
        assert {body["entry"]["body"] for body in made if body["entry"]["type"] == "comment-added"} <= {each.text}
    print(f"outcomes: {dict(outcomes)}")


def check_answers(desk: Desk, results: list[Received]) -> None:
    """What a request was answered is what the topic says of it."""
    print(f"{len(desk.answers)} requests, and {len(results)} results of them and of commands by Kafka")
    told = {body["command_id"]: body for body in (record.json() for record in results)}
    for identity, (status, answer) in desk.answers.items():
        result = told[identity]
        if result["outcome"] == "rejected":
            assert (status >= 400, answer["code"]) == (True, result["reason"]["code"]), identity
        else:
            ticket = {name: answer[name] for name in ("id", "number", "state", "version")}
            assert (status in (200, 201), ticket) == (True, result["ticket"]), identity


STATES = {
    "opened": ("", "open"),
    "started": ("open", "in_progress"),
    "moved-to-open": ("in_progress", "open"),
    "resolved": ("open in_progress", "resolved"),
    "reopened": ("resolved", "open"),
}


def check_moves(events: list[Received]) -> None:
    """Each ticket has gone from state to state as the table allows."""
    lives: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for body in (event.json() for event in events):
        lives[body["ticket"]["id"]][body["entry"]["version"]] = body
    for life in lives.values():
        state = ""
        for version in sorted(life):
            allowed, after = STATES.get(life[version]["entry"]["type"], (state, state))
            assert state in allowed.split() or state == allowed, life[version]
            assert life[version]["ticket"]["state"] == after, life[version]
            state = after


def check_verdicts(tickets: list[dict[str, Any]], fleet: Fleet) -> None:
    """A ticket for each device that fell silent, none for those that did not, resolved where life came back."""
    monitored = [ticket for ticket in tickets if ticket["source"] == "health_monitor"]
    subjects = Counter(_subject(ticket) for ticket in monitored)
    assert subjects == Counter([*fleet.dying, *fleet.returning])
    for ticket in monitored:
        subject = _subject(ticket)
        expected = ("resolved", "recovered") if subject in fleet.returning else ("open", None)
        assert (ticket["state"], ticket["resolution"]) == expected, subject


def check_events(
    installation: Installation, api: OrgApi, tickets: list[dict[str, Any]], events: list[Received]
) -> None:
    """Each version of each ticket under one id, in order at first sight, and each trigger on its own topic too."""
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    identities: dict[tuple[str, int], set[str]] = defaultdict(set)
    seen: dict[str, int] = defaultdict(int)
    triggers: dict[str, set[str]] = defaultdict(set)
    for event in events:
        body = event.json()
        ticket, version = body["ticket"]["id"], body["entry"]["version"]
        assert version <= seen[ticket] + 1, f"{ticket}: version {version} came after {seen[ticket]}"
        seen[ticket] = max(seen[ticket], version)
        identities[ticket, version].add(event.id)
        if body["entry"]["type"] in TRIGGERS:
            triggers[TRIGGERS[body["entry"]["type"]]].add(event.id)
    assert seen == {ticket["id"]: ticket["version"] for ticket in tickets}
    assert all(len(ids) == 1 for ids in identities.values())
    for topic, ids in triggers.items():
        assert {record.id for record in _of(api, read_all(bootstrap, installation.topic(topic)))} == ids, topic
