"""What somebody else may put on the topics: old control records, copied signatures, a topic made anew."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported at run time only
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from fettle_devstack import Servers
from tests.installation import Installation, OrgApi, eventually
from tests.outside import Beating, Received, producer, read_all


def send_again(servers: Servers, records: list[Received], partition: bool) -> None:
    """The same bytes under the same headers, as anybody with write access can send them."""
    client = producer(servers.kafka.bootstrap)
    for record in records:
        client.produce(
            record.topic,
            key=record.key,
            value=record.value,
            headers=[(name, value.encode()) for name, value in record.headers.items()],
            partition=record.partition if partition else -1,
        )
    assert client.flush(30) == 0


@pytest.mark.rule("OP-93")
def test_an_old_policy_sent_again_by_a_stranger_changes_nothing(servers: Servers, installation: Installation) -> None:
    """The first policy of a new org is `off`: were a copy of it obeyed, the org would not be judged any more."""
    acme = installation.create_org("acme")
    topic = installation.topic("device.heartbeats")
    with Beating(servers.kafka.bootstrap, topic, "acme") as beating:
        beating.alive("device/a", status="ok", interval_s=1)
        eventually(lambda: acme.try_get("/subjects/device/a"), "the device is known")
        control = [record for record in read_all(servers.kafka.bootstrap, topic) if "fettle-control" in record.headers]
        policies = [record for record in control if record.headers["fettle-control"] == "policy"]
        assert len({record.headers["fettle-number"] for record in policies}) > 1
        send_again(servers, policies, partition=True)
        beating.silent("device/a")
        eventually(lambda: acme.tickets(subject="device/a"), "a ticket under the policy that is in force")
    assert read_all(servers.kafka.bootstrap, installation.topic("device.heartbeats.dlq")) == []


@pytest.mark.rule("OP-93")
def test_a_signed_command_sent_again_by_a_stranger_has_no_second_effect(
    servers: Servers, installation: Installation
) -> None:
    acme = installation.create_org("acme")
    with Beating(servers.kafka.bootstrap, installation.topic("device.heartbeats"), "acme") as beating:
        beating.alive("device/a", status="ok", interval_s=1)
        eventually(lambda: acme.try_get("/subjects/device/a"), "the device is known")
        beating.silent("device/a")
        number = eventually(lambda: acme.tickets(subject="device/a"), "a ticket")[0]["number"]
    commands = read_all(servers.kafka.bootstrap, installation.topic("ticket.commands"))
    opening = [record for record in commands if record.headers["ce_type"] == "fettle.ticket.command.open.v1"]
    assert len(opening) == 1
    before = acme.timeline(number)
    changed = [
        Received(
            **{**vars(opening[0]), "headers": {**opening[0].headers, "ce_id": "11111111-1111-4111-8111-111111111111"}}
        )
    ]
    send_again(servers, opening, partition=False)
    send_again(servers, changed, partition=False)
    eventually(
        lambda: [
            record
            for record in read_all(servers.kafka.bootstrap, installation.topic("ticket.commands.dlq"))
            if record.headers["dlq-reason"] == "bad_signature"
        ],
        "the command under another id is dead-lettered",
    )
    assert acme.timeline(number) == before
    assert len(acme.tickets()) == 1


def recreate(servers: Servers, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers.kafka.bootstrap})
    old = ConfigResource(ResourceType.TOPIC, topic)
    config = {
        name: entry.value
        for name, entry in admin.describe_configs([old])[old].result().items()
        if not entry.is_default and entry.value is not None
    }
    count = len(admin.list_topics(topic, timeout=10).topics[topic].partitions)
    admin.delete_topics([topic], operation_timeout=10)[topic].result()

    def created() -> bool:
        try:
            admin.create_topics([NewTopic(topic, num_partitions=count, config=config)])[topic].result()
        except KafkaException:  # the old one is still being deleted
            return False
        return True

    eventually(created, "the topic created again")


def reporting(servers: Servers, topic: str) -> set[str | None]:
    """Whose heartbeats stand in the topic; nobody's while the new one has no leaders yet."""
    try:
        return {record.key for record in read_all(servers.kafka.bootstrap, topic)}
    except KafkaException:
        return set()


def no_tickets(api: OrgApi, *subjects: str) -> bool:
    return not any(api.tickets(subject=subject) for subject in subjects)


@pytest.mark.rule("OP-94")
def test_a_heartbeats_topic_deleted_and_created_again_invents_nothing_and_goes_on(
    servers: Servers, installation: Installation
) -> None:
    """Some are dead before and stay so, or come back behind it; one falls silent with the old log and is never heard in
    the new one; one falls silent later."""
    acme = installation.create_org("acme")
    topic = installation.topic("device.heartbeats")
    steady = [f"device/steady-{number}" for number in range(10)]
    dying = ["device/dead", "device/back", "device/lost", "device/late"]
    with Beating(servers.kafka.bootstrap, topic, "acme") as beating:
        beating.alive(*steady, *dying, status="ok", interval_s=1)
        for subject in (*steady, *dying):
            eventually(lambda subject=subject: acme.try_get(f"/subjects/{subject}"), "the devices are known")  # type: ignore[misc]
        beating.silent("device/dead", "device/back")
        for subject in ("device/dead", "device/back"):
            eventually(lambda subject=subject: acme.tickets(subject=subject), "a ticket from the old log", 60)  # type: ignore[misc]
        beating.silent("device/lost")
        recreate(servers, topic)
        eventually(
            lambda: reporting(servers, topic) >= {f"acme/{subject}" for subject in steady},
            "the devices report on the new topic",
            60,
        )
        beating.alive("device/back", status="ok", interval_s=1)
        eventually(lambda: acme.tickets(subject="device/lost"), "a ticket for who was heard in the old log alone", 90)
        eventually(
            lambda: acme.tickets(subject="device/back")[0]["resolution"] == "recovered", "its ticket resolved", 60
        )
        assert no_tickets(acme, *steady, "device/late")
        beating.silent("device/late")
        eventually(lambda: acme.tickets(subject="device/late"), "a ticket from the new log", 60)
    tickets = {ticket["subject"]["id"]: ticket["state"] for ticket in acme.tickets()}
    assert tickets == {"dead": "open", "back": "resolved", "lost": "open", "late": "open"}
    assert len(acme.tickets()) == len(dying)
    assert [entry["type"] for entry in acme.timeline(acme.tickets(subject="device/dead")[0]["number"])] == ["opened"]
    for subject in steady:
        assert "firing" not in {change["to"] for change in acme.get("/transitions", subject=subject)["items"]}
