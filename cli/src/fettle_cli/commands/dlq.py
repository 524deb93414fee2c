"""`fettle dlq`: records that could not be handled, with the reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fettle_cli.api import calling, in_words
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Limit, Org, group
from fettle_cli.output import say, show_fields, show_json, show_table

if TYPE_CHECKING:
    from fettle_chassis.settings import ServiceSettings
    from fettle_chassis.stored_records import StoredRecord
    from fettle_client.shapes.orgs import SentTo

app = group("dlq", "Look at dead letters, and send them again.")


@app.command("list")
def list_letters(
    topic: Annotated[str | None, typer.Argument(help="Of one topic, for instance ticket.commands.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List the newest dead letters with their reasons."""
    from fettle_chassis.stored_records import newest_records
    from fettle_cli import kafka

    names = _names(topic)
    settings = kafka.kafka_settings(Installation.here())
    letters = kafka.run(settings, newest_records(settings, names, limit, kafka.CLIENT))
    if as_json:
        show_json({"items": [_summary(letter, settings) for letter in letters]})
        return
    show_table(
        ("AT", "TOPIC", "OFFSET", "REASON", "KEY", "MESSAGE"),
        (
            (one["at"], one["topic"], one["offset"], one["reason"], one["key"], one["message"])
            for one in (_summary(letter, settings) for letter in letters)
        ),
        empty="No dead letters.",
    )


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="For instance ticket.commands.")],
    offset: Annotated[int, typer.Argument(min=0, help="As `fettle dlq list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter whole: where it came from, why it is here, its headers, key and value."""
    from fettle_chassis.stored_records import record_at
    from fettle_cli import kafka

    (name,) = _names(topic)
    settings = kafka.kafka_settings(Installation.here())
    letter = kafka.run(settings, record_at(settings, name, 0, offset, kafka.CLIENT))
    if letter is None:
        raise CliError(f"{name} holds nothing at offset {offset}; `fettle dlq list {topic}` shows what it holds")
    summary = _summary(letter, settings)
    headers = [(header, _text(value)) for header, value in letter.headers if not header.startswith("dlq-")]
    if as_json:
        show_json({**summary, "headers": [list(pair) for pair in headers], "value": _text(letter.value)})
        return
    show_fields([*summary.items(), *headers])
    say()
    say(_text(letter.value) or "(no value)")


@app.command()
def redrive(
    topic: Annotated[str, typer.Argument(help="For instance ticket.commands.")],
    offsets: Annotated[list[int], typer.Argument(min=0, help="As `fettle dlq list` shows them.")],
    direct: Annotated[
        bool, typer.Option("--direct", help="Over Kafka itself, as the operator: also what is no org's. Not on record.")
    ] = False,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Send dead letters to where they came from, as they came, once what was wrong has been mended.

    The letters stay. A record that has had its effect meanwhile has no second one.

    Where FETTLE_URL, or a `fettle up` that ran here, says where the API is, it is asked for letters of the org, and the
    audit log has it. Else, or with --direct, they go over Kafka itself, and no audit log hears of it.
    """
    from fettle_contracts.topics import HEARTBEATS

    (name,) = _names(topic)
    topic = name.removesuffix(".dlq")
    if topic == HEARTBEATS:
        raise UsageError("heartbeats are never sent again: a device that is silent now would look alive")
    here = Installation.here()
    refused: list[str] = []
    if direct or not here.names_a_gateway:
        sent = _over_kafka(here, name, offsets)
    else:
        sent, refused = _by_the_api(here, org, topic, offsets)
    if as_json:
        show_json({"items": [{"offset": offset, "to": place} for offset, place in sent.items()]})
    else:
        for offset, to in sent.items():
            say(f"{topic} {offset} was sent again: {to['topic']} partition {to['partition']} offset {to['offset']}")
    if refused:
        raise CliError("; ".join(refused))


def _by_the_api(
    here: Installation, org: str | None, topic: str, offsets: Sequence[int]
) -> tuple[dict[int, "SentTo"], list[str]]:
    """Where each was put, and what went wrong with others. A letter that is refused stops no other; what none would
    pass by ends it there."""
    from fettle_client import FettleError, Refused

    sent: dict[int, SentTo] = {}
    refused: list[str] = []
    with calling(here, org) as fettle:
        for offset in offsets:
            try:
                sent[offset] = fettle.redrive_dead_letter(topic, offset)["to"]
            except FettleError as error:
                status = error.status if isinstance(error, Refused) else None
                hint = "; --direct sends what is no org's" if status == 404 else ""
                refused.append(f"{topic} {offset}: {in_words(error)}{hint}")
                if status not in (404, 409):
                    break
    return sent, refused


def _over_kafka(here: Installation, name: str, offsets: Sequence[int]) -> dict[int, "SentTo"]:
    """Where each was put: all of them, or none."""
    from fettle_chassis.stored_records import send_again
    from fettle_cli import kafka

    settings = kafka.kafka_settings(here)
    letters = [_letter(settings, name, offset) for offset in offsets]
    places = kafka.run(settings, send_again(settings, letters, kafka.CLIENT))
    return {offset: cast("SentTo", place._asdict()) for offset, place in zip(offsets, places, strict=True)}


def _letter(settings: "ServiceSettings", name: str, offset: int) -> "StoredRecord":
    """The letter, if it holds all that the record was."""
    from fettle_chassis.stored_records import record_at
    from fettle_cli import kafka
    from fettle_contracts.dead_letters import DLQ_MESSAGE, lacks_its_value

    letter = kafka.run(settings, record_at(settings, name, 0, offset, kafka.CLIENT))
    if letter is None:
        raise CliError(f"{name} holds nothing at offset {offset}; nothing was sent")
    if lacks_its_value(letter.value, letter.header(DLQ_MESSAGE) or ""):
        raise CliError(f"{name} {offset} was too large to be kept whole; nothing was sent: the sender must send it")
    return letter


def _names(topic: str | None) -> list[str]:
    from fettle_contracts.topics import TOPICS

    if topic is None:
        return [one.dlq for one in TOPICS.values() if one.dlq]
    known = TOPICS.get(topic.removesuffix(".dlq"))
    if known is None or known.dlq is None:
        with_letters = ", ".join(name for name, one in TOPICS.items() if one.dlq)
        raise UsageError(f"{topic} has no dead letters; topics that can have some: {with_letters}")
    return [known.dlq]


def _summary(letter: "StoredRecord", settings: "ServiceSettings") -> dict[str, Any]:
    from fettle_contracts.dead_letters import DLQ_AT, DLQ_MESSAGE, DLQ_OFFSET, DLQ_PARTITION, DLQ_REASON, DLQ_SERVICE
    from fettle_contracts.times import from_ms, rfc3339

    return {
        "topic": letter.topic.removeprefix(settings.topic_prefix).removesuffix(".dlq"),
        "offset": letter.offset,
        "at": letter.header(DLQ_AT) or rfc3339(from_ms(letter.timestamp_ms)),
        "reason": letter.header(DLQ_REASON),
        "message": letter.header(DLQ_MESSAGE),
        "service": letter.header(DLQ_SERVICE),
        "source_partition": letter.header(DLQ_PARTITION),
        "source_offset": letter.header(DLQ_OFFSET),
        "key": _text(letter.key),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
