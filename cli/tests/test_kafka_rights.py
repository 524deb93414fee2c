"""`fettle kafka acls`: the least rights of each kind of client, held against the services as they are wired."""

import itertools
import json
import shlex
from typing import Any

import pytest
from cli.tests.ran import Fettle

from fettle_chassis.consume import Consumers
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import Topics
from fettle_cli.kafka_rights import READERS, SERVICES, TRIGGER_TOPICS, WRITERS, Client, Right, clients
from fettle_console.adapters.late_topics import LateTopics
from fettle_console.app import build_app as console
from fettle_console.domain.dead_letters import TOPICS_WITH_LETTERS
from fettle_console.settings import ConsoleSettings
from fettle_contracts.topics import COMMANDS, EVENTS, HEARTBEATS, ORGS, RESULTS, SIGNALS, TOPICS
from fettle_health_monitor.correlator_app import build_app as correlator
from fettle_health_monitor.judge_app import NAME as JUDGE
from fettle_health_monitor.judge_app import build_judge as judge
from fettle_health_monitor.settings import HealthSettings
from fettle_ticket_service.app import build_app as ticket_service
from fettle_ticket_service.app import build_relay as ticket_relay
from fettle_ticket_service.settings import TicketSettings
from fettle_workflow_engine.app import build_app as workflow_engine
from fettle_workflow_engine.settings import WorkflowSettings

ENVIRON = {
    "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "kafka.test:9092",
    "FETTLE_DATABASE_URL": "postgresql://postgres.test",
    "FETTLE_SIGNING_KEYS": "test:" + "A" * 43 + "=",
    "FETTLE_TOPIC_PREFIX": "prod.",
    "FETTLE_GROUP_PREFIX": "g.",
}


def _processes() -> dict[str, list[Service]]:
    """Every process by the service that it belongs to; nothing is connected."""
    health, tickets = HealthSettings.load(ENVIRON), TicketSettings.load(ENVIRON)
    return {
        "health-monitor": [judge(health), correlator(health)],
        "ticket-service": [ticket_service(tickets), ticket_relay(tickets)],
        "workflow-engine": [workflow_engine(WorkflowSettings.load(ENVIRON))],
        "console": [console(ConsoleSettings.load(ENVIRON))],
    }


def _clients(**environ: str) -> dict[str, Client]:
    return {client.name: client for client in clients(ServiceSettings.load({**ENVIRON, **environ}))}


def _topics(client: Client) -> dict[str, tuple[str, ...]]:
    return {right.name: right.operations for right in client.rights if right.resource == "topic"}


@pytest.mark.rule("AC-67")
def test_the_services_read_what_their_rights_are_made_from() -> None:
    for name, processes in _processes().items():
        parts = [part for process in processes for part in process._parts]
        consumers = [part for part in parts if isinstance(part, Consumers)]
        joined = {one.name: one.topics for part in consumers for one in part._subscriptions}
        own = {JUDGE: (HEARTBEATS,)} if name == "health-monitor" else {}
        assert {**joined, **own} == SERVICES[name].groups, f"bring SERVICES in kafka_rights.py up to date: {name}"


@pytest.mark.rule("AC-67", "AC-134")
def test_the_console_sends_again_what_it_shows_letters_of() -> None:
    assert set(SERVICES["console"].redriven) == set(TOPICS_WITH_LETTERS)


@pytest.mark.rule("AC-67")
def test_the_services_may_see_every_topic_that_they_look_at_when_they_start() -> None:
    for name, processes in _processes().items():
        parts = [part for process in processes for part in process._parts]
        looked_at = {topic for part in parts if isinstance(part, Topics | LateTopics) for topic in part._names}
        looked_at |= set(SERVICES[name].redriven)
        with_letters = looked_at | {letters for topic in looked_at if (letters := TOPICS[topic].dlq)}
        assert set(_topics(_clients()[name])) == {f"prod.{topic}" for topic in with_letters}


@pytest.mark.rule("AC-67")
def test_whoever_writes_a_topic_of_the_table_is_a_known_kind_of_client() -> None:
    assert {writer for topic in TOPICS.values() for writer in topic.writers} == {*SERVICES, *WRITERS}
    for topic in TOPICS.values():
        for writer in () if topic.name.endswith(".dlq") else topic.writers:
            client = _clients()[writer if writer in SERVICES else WRITERS[writer][0]]
            assert "Write" in _topics(client)[f"prod.{topic.name}"]


@pytest.mark.rule("AC-67")
def test_clients_outside_get_one_operation_on_public_topics_and_groups_of_their_own() -> None:
    outside = [name for name, _ in WRITERS.values()] + [name for name, *_ in READERS]
    for name in outside:
        rights = _clients()[name].rights
        assert {operation for right in rights for operation in right.operations} in ({"Read"}, {"Write"})
        for topic in _topics(_clients()[name]):
            known = TOPICS[topic.removeprefix("prod.")]
            assert not known.internal
            assert not known.name.endswith(".dlq")
        groups = [right for right in rights if right.resource == "group"]
        reads = ("Read",) in _topics(_clients()[name]).values()
        assert groups == ([Right("group", f"{name}.", ("Read",), prefixed=True)] if reads else [])
    assert _topics(_clients()["heartbeat-writers"]) == {f"prod.{HEARTBEATS}": ("Write",)}
    assert _topics(_clients()["command-writers"]) == {f"prod.{COMMANDS}": ("Write",)}
    assert _topics(_clients()["signal-writers"]) == {f"prod.{SIGNALS}": ("Write",)}


@pytest.mark.rule("AC-67")
def test_services_that_make_no_topics_may_make_none() -> None:
    managed, given = _clients(), _clients(FETTLE_KAFKA_MANAGE_TOPICS="off")
    for name in SERVICES:
        again = {f"prod.{topic}{end}" for topic in SERVICES[name].redriven for end in ("", ".dlq")}
        own = {topic: operations for topic, operations in _topics(managed[name]).items() if topic not in again}
        assert all("Create" in operations for operations in own.values())
        assert not [operations for operations in _topics(given[name]).values() if "Create" in operations]
    assert _topics(given["console"]) == {
        f"prod.{HEARTBEATS}": ("DescribeConfigs", "Write"),
        f"prod.{EVENTS}": ("Read", "Write"),
        "prod.health.transitions": ("Read", "Write"),
        f"prod.{ORGS}": ("Write",),
        f"prod.{ORGS}.dlq": ("Describe",),
        **{f"prod.{name}": ("Write",) for name in (COMMANDS, RESULTS, SIGNALS, *TRIGGER_TOPICS)},
        **{f"prod.{name}.dlq": ("Read",) for name in TOPICS_WITH_LETTERS},
    }
    assert _topics(given["workflow-engine"])[f"prod.{RESULTS}.dlq"] == ("Write",)


@pytest.fixture
def installed(fettle: Fettle, monkeypatch: pytest.MonkeyPatch) -> Fettle:
    for name in ("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "FETTLE_TOPIC_PREFIX", "FETTLE_GROUP_PREFIX"):
        monkeypatch.setenv(name, ENVIRON[name])
    return fettle


@pytest.mark.rule("AC-60", "AC-67")
def test_acls_are_lines_for_kafkas_own_tool_and_say_what_they_cannot_keep_apart(installed: Fettle) -> None:
    ran = installed("kafka", "acls")
    assert ran.status == 0
    assert "Whoever may read a topic sees the records of all orgs on it" in ran.out
    lines = [line for line in ran.out.splitlines() if line and not line.startswith("#")]
    begin = "kafka-acls.sh --bootstrap-server kafka.test:9092 --command-config admin.properties --add --allow-principal"
    assert all(line.startswith(f"{begin} User:") for line in lines)
    assert f"{begin} User:heartbeat-writers --operation Write --topic prod.device.heartbeats" in lines
    own_groups = "--operation Read --resource-pattern-type prefixed --group event-readers."
    assert f"{begin} User:event-readers {own_groups}" in lines
    fettles = " ".join(f"--group g.{group}" for group in SERVICES["workflow-engine"].groups)
    assert f"{begin} User:workflow-engine --operation Read {fettles}" in lines


@pytest.mark.rule("AC-60")
def test_acls_as_data_are_those_of_the_lines(installed: Fettle) -> None:
    shown = json.loads(installed("kafka", "acls", "--json").out)
    assert any("sees the records of all orgs" in note for note in shown["notes"])
    data = {
        (item["principal"], right["resource"], right["name"], operation, right["prefixed"])
        for item in shown["items"]
        for right in item["rights"]
        for operation in right["operations"]
    }
    lines = [shlex.split(line, comments=True) for line in installed("kafka", "acls").out.splitlines()]
    assert {row for words in lines if words for row in _granted(words)} == data


def _granted(words: list[str]) -> list[tuple[Any, ...]]:
    said = list(itertools.pairwise(words))
    (principal,) = (value for option, value in said if option == "--allow-principal")
    operations = [value for option, value in said if option == "--operation"]
    named = [(option[2:], value) for option, value in said if option in ("--topic", "--group")]
    prefixed = ("--resource-pattern-type", "prefixed") in said
    return [(principal, kind, name, operation, prefixed) for kind, name in named for operation in operations]
