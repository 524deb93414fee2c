"""`fettle tickets start`, `move-to-open`, `resolve`, `reopen` and `comment`: on one ticket or on many."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Comment, Json, Org, text_of
from fettle_cli.output import say, show_json
from fettle_client import Fettle
from fettle_client.shapes.tickets import Ticket
from fettle_client.shapes.timelines import BulkAction, Outcome

Numbers = Annotated[list[int], typer.Argument(min=1, metavar="NUMBER...", help="Tickets' numbers, at most 200.")]


def start(numbers: Numbers, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Begin work on open tickets."""
    _move(Fettle.start_ticket, "start", numbers, comment, org, as_json)


def move_to_open(numbers: Numbers, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Undo a start."""
    _move(Fettle.move_ticket_to_open, "move-to-open", numbers, comment, org, as_json)


def resolve(numbers: Numbers, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Resolve tickets."""
    _move(Fettle.resolve_ticket, "resolve", numbers, comment, org, as_json)


def reopen(numbers: Numbers, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Bring resolved tickets back."""
    _move(Fettle.reopen_ticket, "reopen", numbers, comment, org, as_json)


def comment(
    numbers: Numbers,
    text: Annotated[str, typer.Argument(help="Markdown; - reads it from stdin.")],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Add a comment."""
    here, text = Installation.here(), text_of(text)
    with calling(here, org) as fettle:
        if len(numbers) == 1:
            tell(fettle.comment_on_ticket(numbers[0], text), as_json)
        else:
            _tell_each(fettle.act_on_tickets("comment", numbers, comment=text), as_json)


def tell(ticket: Ticket, as_json: bool) -> None:
    """One ticket as it is by now."""
    if as_json:
        show_json(ticket)
    else:
        say(f"#{ticket['number']} {ticket['state'].replace('_', ' ')}: {ticket['title']}")


def _move(
    one: Callable[..., Ticket],
    action: BulkAction,
    numbers: Sequence[int],
    comment: str | None,
    org: str | None,
    as_json: bool,
) -> None:
    here, text = Installation.here(), None if comment is None else text_of(comment)
    with calling(here, org) as fettle:
        if len(numbers) == 1:
            tell(one(fettle, numbers[0], comment=text), as_json)
        else:
            _tell_each(fettle.act_on_tickets(action, numbers, comment=text), as_json)


def _tell_each(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """What became of each. Raises CliError when one was refused: the others are done."""
    if as_json:
        show_json({"items": outcomes})
    else:
        for each in outcomes:
            said = f"{each['detail']} [{each['code']}]" if "code" in each else each["state"].replace("_", " ")
            say(f"#{each['number']} {said}")
    refused = sum(each["outcome"] == "rejected" for each in outcomes)
    if refused:
        raise CliError(f"{refused} of {len(outcomes)} were refused; the others are done")
