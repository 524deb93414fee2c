"""`fettle workflows channels`: by what workflows tell people."""

from typing import Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.commands.policies import Changes, wanted
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group
from fettle_cli.output import ago, say, show_fields, show_json, show_page
from fettle_client.shapes.channels import Channel, ChannelKind

app = group("channels", "By what workflows tell people: mail, Slack, Teams, webhooks.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The channel's name.")]
SecretSettings = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="FIELD=SECRET", help="A setting that is one of the org's secrets."),
]
EXAMPLE = "host=smtp.example.com"


@app.command("list")
def list_channels(limit: Limit = 50, cursor: Cursor = None, org: Org = None, as_json: Json = False) -> None:
    """List the org's channels, with what each has sent within the hour and holds back."""
    with calling(Installation.here(), org) as fettle:
        page = fettle.list_channels(limit=limit, cursor=cursor).page()
    columns = ("CHANNEL", "KIND", "SENT", "CAP", "HELD BACK", "SAVED", "BY", "ERROR")
    show_page(page, columns, _row, empty="No channels.", as_json=as_json)


@app.command()
def show(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Show a channel with its settings; what is secret in them is named."""
    with calling(Installation.here(), org) as fettle:
        found = fettle.get_channel(name)
    if as_json:
        show_json(found)
        return
    settings = {field: _said(value) for field, value in found["settings"].items()}
    error = found["digest_error"]
    show_fields(
        {
            "kind": found["kind"],
            **settings,
            "cap": f"{found['hourly_cap']} an hour, {found['sent_last_hour']} sent within the last",
            "held back": found["held_back"],
            "digest": error["message"] if error else None,
        }.items()
    )


@app.command()
def put(
    name: Name,
    kind: Annotated[ChannelKind, typer.Option(help="email, slack, teams, webhook, or apprise.")],
    changes: Changes = None,
    secrets: SecretSettings = None,
    cap: Annotated[int | None, typer.Option(min=1, max=60, help="Messages an hour; default: 60.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Make a channel, or put another in its place."""
    settings = {**wanted(changes, EXAMPLE), **dict(map(_secret, secrets or ()))}
    with calling(Installation.here(), org) as fettle:
        saved = fettle.put_channel(name, kind, settings, hourly_cap=cap)
    if as_json:
        show_json(saved)
    else:
        say(f"Saved {saved['name']}. To try it: fettle workflows channels test {saved['name']}")


@app.command()
def delete(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Delete a channel; what it holds back is not sent any more."""
    with calling(Installation.here(), org) as fettle:
        fettle.remove_channel(name)
    if as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted {name}.")


@app.command("test")
def try_out(
    name: Name,
    to: Annotated[list[str] | None, typer.Option(help="Of a mail channel: another recipient; may come often.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Send one message now and say what became of it."""
    with calling(Installation.here(), org) as fettle:
        tried = fettle.test_channel(name, to=to)
    if as_json:
        show_json(tried)
    else:
        refused = f", but not to {', '.join(tried['refused'])}" if tried["refused"] else ""
        say(f"Sent{refused}." if tried["outcome"] == "sent" else "Not sent.")
    if tried["outcome"] == "failed":
        error = tried["error"] or {"code": "failed", "message": "nobody says why"}
        raise CliError(f"{name} sent nothing: {error['message']} [{error['code']}]")


def _secret(text: str) -> tuple[str, dict[str, str]]:
    field, equals, name = text.partition("=")
    if not (field and equals and name):
        raise UsageError(f"--secret takes FIELD=SECRET, for instance url=slack_url, not {text!r}")
    return field, {"secret": name}


def _said(value: Any) -> object:
    match value:
        case {"secret": name}:
            return f"the secret {name}"
        case list():
            return ", ".join(map(str, value)) or None
    return value


def _row(one: Channel) -> tuple[object, ...]:
    error = one["digest_error"]
    return (
        one["name"],
        one["kind"],
        one["sent_last_hour"],
        one["hourly_cap"],
        one["held_back"],
        f"{ago(one['saved_at'])} ago",
        one["saved_by"],
        error["message"] if error else None,
    )
