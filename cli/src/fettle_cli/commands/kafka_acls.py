"""`fettle kafka acls`: who needs which rights on Kafka, as lines for Kafka's own tool."""

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from fettle_cli.installation import Installation
from fettle_cli.options import Json
from fettle_cli.output import say, show_json

if TYPE_CHECKING:
    from fettle_chassis.settings import ServiceSettings
    from fettle_cli.kafka_rights import Client

NOTES = (
    "Whoever may read a topic sees the records of all orgs on it, and whoever may write heartbeats, commands or "
    "signals can do so for every org: only the API keeps orgs apart.",
    "The users are proposals: put your own in their place, one for each system or team. Readers name their consumer "
    "groups after their user: trigger-readers.anything.",
    "admin.properties is how an administrator signs in to Kafka (kafka-acls.sh --help).",
)
MANAGED = "Services create their topics: with FETTLE_KAFKA_MANAGE_TOPICS=off they need no Create, and get none here."


def acls(as_json: Json = False) -> None:
    """Print the least rights of each kind of Kafka client, as lines for kafka-acls.sh. Asks Kafka nothing."""
    from fettle_cli import kafka
    from fettle_cli.kafka_rights import clients

    settings = kafka.kafka_settings(Installation.here())
    notes = [*NOTES, *([MANAGED] if settings.kafka_manage_topics else [])]
    found = clients(settings)
    if as_json:
        items = [{"principal": f"User:{client.name}", **asdict(client)} for client in found]
        show_json({"notes": notes, "items": items})
        return
    for note in notes:
        say(f"# {note}")
    for client in found:
        say()
        say(f"# {client.name}: {client.summary}")
        for line in _lines(client, settings):
            say(line)


def _lines(client: "Client", settings: "ServiceSettings") -> list[str]:
    """One line for all resources with the same operations."""
    alike: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
    for right in client.rights:
        alike.setdefault((right.resource, right.operations, right.prefixed), []).append(right.name)
    return [
        shlex.join(
            (
                *("kafka-acls.sh", "--bootstrap-server", settings.kafka_bootstrap_servers),
                *("--command-config", "admin.properties", "--add", "--allow-principal", f"User:{client.name}"),
                *(word for operation in operations for word in ("--operation", operation)),
                *(("--resource-pattern-type", "prefixed") if prefixed else ()),
                *(word for name in names for word in (f"--{resource}", name)),
            )
        )
        for (resource, operations, prefixed), names in alike.items()
    ]
