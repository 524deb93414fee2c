"""`fettle heartbeat`: report for a device or an integration, as a device would."""

import json
from typing import Annotated, Any

import typer

from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org, group
from fettle_cli.output import say, show_json

app = group("heartbeat", "Report for a device or an integration.")


@app.callback()
def _group() -> None:
    """Report for a device or an integration."""


@app.command()
def send(
    subject: Annotated[str, typer.Argument(metavar="TYPE/ID", help="For instance device/t17 or integration/hue-1.")],
    status: Annotated[
        str | None, typer.Option(help="ok, offline (devices), unreachable, credentials_invalid (integrations).")
    ] = None,
    integration: Annotated[str | None, typer.Option(help="The integration it reports through.")] = None,
    interval_s: Annotated[float | None, typer.Option(help="It reports every so many seconds.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    model: Annotated[str | None, typer.Option()] = None,
    space: Annotated[str | None, typer.Option(help="Where it is: oslo/hq/3/301.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, as it says itself.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Send one heartbeat to Kafka."""
    here = Installation.here()
    fields = {
        "status": status,
        "integration": integration,
        "interval_s": int(interval_s) if interval_s and interval_s.is_integer() else interval_s,
        "name": name,
        "model": model,
        "space": space,
        "reason": reason,
    }
    key, value = _checked(
        f"{org or here.org}/{subject}", {name: one for name, one in fields.items() if one is not None}
    )
    from fettle_chassis.stored_records import producing
    from fettle_cli import kafka
    from fettle_contracts.topics import HEARTBEATS

    settings = kafka.kafka_settings(here)

    async def sent() -> Any:
        async with producing(settings, kafka.CLIENT) as producer:
            return await producer.send_and_wait(settings.topic(HEARTBEATS), value=value, key=key)

    place = kafka.run(settings, sent())
    if as_json:
        show_json({"topic": place.topic, "partition": place.partition, "offset": place.offset})
    else:
        say(f"{key.decode()} is heard: {place.topic} partition {place.partition} offset {place.offset}")


def _checked(key: str, fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """Key and value of the record. Raises UsageError for what the judge would put aside."""
    from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES, HeartbeatRefused, check_heartbeat
    from fettle_contracts.identity import HeartbeatKey

    try:
        parsed = HeartbeatKey.parse(key)
        check_heartbeat(parsed.subject.type, fields)
        value = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() if fields else b""
    except HeartbeatRefused as refused:
        raise UsageError(refused.message) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    if len(value) > HEARTBEAT_MAX_BYTES:
        raise UsageError(f"a heartbeat has at most {HEARTBEAT_MAX_BYTES} bytes")
    return parsed.encode(), value
