"""`fettle health why`: why there is or is not a ticket."""

from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.commands.verification import instant
from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_fields, show_json, words
from fettle_client.shapes.why import Change, Timer, Why


def why(
    subject: Annotated[str, typer.Argument(metavar="TYPE/ID", help="For instance device/t17.")],
    at: Annotated[
        str | None, typer.Option(help="The instant, a local time or one with its offset; default: as of now.")
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Say why there is or is not a ticket about a subject, and what would have decided otherwise."""
    if "/" not in subject:
        raise UsageError(f"a subject is type/id, for instance device/t17, not {subject!r}")
    here = Installation.here()
    moment = None if at is None else instant("--at", at)
    with calling(here, org) as fettle:
        found = fettle.explain(subject, at=moment)
    if as_json:
        show_json(found)
        return
    say(found["because"])
    if no_change := found["no_change"]:
        say(f"{no_change[0].upper()}{no_change[1:]}.")
    if change := found["change"]:
        what = "no ticket" if found["called_for"] else "a ticket"
        say(f"Otherwise: {_change(change)} would have meant {what}.")
        for other in found["others"]:
            say(f"       or: {_change(other)}.")
    say()
    show_fields(_fields(found))


def _change(change: Change) -> str:
    if change["starts_at"] is None:
        return str(change["text"])
    return f"{change['text']} from {change['starts_at']}"


def _fields(found: Why) -> list[tuple[str, object]]:
    policy, timer, verdict = found["policy"], found["timer"], found["verdict"]
    ticket, replayed = found["ticket"], found["replayed"]
    fields: list[tuple[str, object]] = [
        ("at", found["at"]),
        ("ticket", f"#{ticket['number']}, now {ticket['state'].replace('_', ' ')}" if ticket else None),
        ("held back", words(found["suppressed_by"])),
        ("state", words(found["state"])),
        ("condition", words(found["condition"])),
        ("since", found["since"]),
        ("last heard", found["last_heard"]),
        ("reported", words(found["reported"])),
        ("timer", _timer(timer) if timer else None),
        ("verdict", f"{words(verdict['outcome'])} at {verdict['at']}: {verdict['reason']}" if verdict else None),
    ]
    if policy:
        switches = f"enabled {_on(policy['enabled'])}, publish_tickets {_on(policy['publish_tickets'])}"
        fields.append(("policy", f"version {policy['version']}, {switches}"))
        fields += ((rule, f"{number['value']} ({number['set_by']})") for rule, number in policy["numbers"].items())
    fields += (
        (words(blind["kind"]) or "blind", f"{blind['since']} to {blind['until'] or 'now'}") for blind in found["blind"]
    )
    if replayed:
        fields.append(("judged again", f"from {replayed['since']}, {replayed['heartbeats']} heartbeats of its own"))
        fields += (("refused", f"{count} as {code}") for code, count in replayed["refused"].items())
        fields += (("not judged", f"{count}, {words(why)}") for why, count in replayed["ignored"].items())
    fields.append(("as of", found["as_of"]))
    return fields


def _timer(timer: Timer) -> str:
    return f"{words(timer['what'])} {'ran out at' if timer['ran_out'] else 'until'} {timer['at']}"


def _on(switch: bool) -> str:
    return "on" if switch else "off"
