"""The audit log as its page shows it: each line as somebody would say it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from fettle_console.domain.audit import NOBODYS, NUMBERS, SUMMED, AuditOutcome, Door, Entry, Who
from fettle_console.domain.credentials import TOKEN, Installer
from fettle_console.domain.deeds import Deeds
from fettle_console.domain.members import SIGN_IN
from fettle_console.views.outcomes import Stand

OUTCOMES: Mapping[AuditOutcome, Stand] = {
    AuditOutcome.DONE: Stand("resolved", "resolved", "Done"),
    AuditOutcome.REFUSED: Stand("unknown", "cross", "Refused"),
    AuditOutcome.FAILED: Stand("open", "open", "Failed"),
    AuditOutcome.ASKED: Stand("in_progress", "unknown", "No answer heard"),
}

_MADE_BY = "made by"
"""What of an entry's `about` is an id."""
_DOORS = {Door.PAGE: "a page", Door.API: "the API"}


@dataclass(frozen=True, slots=True)
class Line:
    """`whole` is who asked in full words. `deed` is what was asked, `about` what is known beyond that; `thing` what of,
    with the `page` that shows it, if one does. `asked` is the request as it came, and by which door. `summed`: `times`
    refusals. `tickets` are the numbers of many that it was about."""

    id: str
    at: datetime
    actor: str
    who: str
    whole: str
    deed: str
    thing: str
    page: str
    asked: str
    stand: Stand
    status: int | None
    times: int
    summed: bool
    key: str
    about: str
    tickets: Sequence[str]

    @classmethod
    def of(cls, entry: Entry, deeds: Deeds, names: Mapping[str, str]) -> "Line":
        """`names` are those of the makers of tokens (`makers_of`)."""
        asked = entry.asked
        path = unquote(asked.path)
        deed, thing = deeds.of(asked.method, path) or _of_no_document(asked.method, path)
        return cls(
            id=str(entry.id),
            at=entry.at,
            actor=asked.who.id,
            who=_short(asked.who),
            whole=_whole(asked.who, names),
            deed=deed,
            thing=thing or asked.org,
            page=_page(asked.path),
            asked=f"{asked.method} {path} by {_DOORS[asked.door]}",
            stand=OUTCOMES[entry.outcome],
            status=entry.status,
            times=entry.times,
            summed=asked.method == SUMMED,
            key=asked.key or "",
            about=", ".join(
                f"{name} {names.get(value, value)}" for name, value in entry.about.items() if name != NUMBERS
            ),
            tickets=entry.about[NUMBERS].split(", ") if NUMBERS in entry.about else (),
        )


def makers_of(entries: Iterable[Entry]) -> set[str]:
    """The ids of whoever made a token that an entry speaks of."""
    entries = list(entries)
    makers = [*(entry.asked.who.made_by for entry in entries), *(entry.about.get(_MADE_BY) for entry in entries)]
    return {maker for maker in makers if maker}


def _short(who: Who) -> str:
    return who.name or ("The installation" if who.role is None else who.id)


def _whole(who: Who, names: Mapping[str, str]) -> str:
    """Who that is, for somebody who has to know exactly."""
    role = f" with the role {who.role}" if who.role else ""
    kind, _, id = who.id.partition("/")
    if kind != TOKEN:
        same = who.id in (who.name, Installer().actor_id, SIGN_IN)
        return f"{_short(who)}{'' if same else f' ({who.id})'}{role}"
    by = f", made by {names.get(who.made_by, who.made_by)}" if who.made_by else ""
    return f"{_short(who)}, an API token{role}{by}, id {id}"


def _of_no_document(method: str, path: str) -> tuple[str, str]:
    """What pages alone have, what names its org in the body, and what nobody knows."""
    thing = path.strip("/")
    match method, thing.split("/"):
        case "POST", [""]:
            return "Create the org", ""
        case "POST", ["sign-in"]:
            return "Sign in", ""
        case method, _ if method == SUMMED:
            return "More that was refused within this minute", ""
        case "PUT", ["members", *person, role] if person:
            deed = "Take out of the org" if role == NOBODYS else f"Give the role {role}"
            return deed, f"members/{'/'.join(person)}"
    return f"{method} {path}", thing


def _page(path: str) -> str:
    """The page of what the path is about, after the org; nothing where there is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["tickets", number, *_] if number.isascii() and number.isdigit():
            return f"/tickets/{number}"
        case ["subjects", kind, *rest] if rest:
            return f"/health/{kind}/{'/'.join(rest)}"
        case ["workflows" | "runs" as collection, name, *_]:
            return f"/{collection}/{name}"
        case ["tokens" | "channels" as collection, *_]:
            return f"/{collection}"
        case ["dead-letters", topic, offset, *_]:
            return f"/dead-letters/{topic}/{offset}"
    return ""
