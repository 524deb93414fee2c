"""The audit log as its page shows it: each line as somebody would say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from fettle_console.domain.audit import NOBODYS, SUMMED, AuditOutcome, Door, Entry
from fettle_console.domain.deeds import Deeds
from fettle_console.views.outcomes import Stand

OUTCOMES: Mapping[AuditOutcome, Stand] = {
    AuditOutcome.DONE: Stand("resolved", "resolved", "Done"),
    AuditOutcome.REFUSED: Stand("unknown", "cross", "Refused"),
    AuditOutcome.FAILED: Stand("open", "open", "Failed"),
    AuditOutcome.ASKED: Stand("in_progress", "unknown", "No answer heard"),
}

_DOORS = {Door.PAGE: "a page", Door.API: "the API"}


@dataclass(frozen=True, slots=True)
class Line:
    """`deed` is what was asked in words, `about` what its outcome says beyond that; `thing` what of, with the `page`
    that shows it, if one does. `asked` is the request as it came, and by which door. `summed`: `times` refusals."""

    id: str
    at: datetime
    actor: str
    who: str
    role: str
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
    made_by: str

    @classmethod
    def of(cls, entry: Entry, deeds: Deeds) -> "Line":
        asked = entry.asked
        path = unquote(asked.path)
        deed, thing = deeds.of(asked.method, path) or _of_no_document(asked.method, path)
        return cls(
            id=str(entry.id),
            at=entry.at,
            actor=asked.who.id,
            who=asked.who.name or ("The installation" if asked.who.role is None else asked.who.id),
            role=asked.who.role or "",
            deed=deed,
            thing=thing or asked.org,
            page=_page(asked.path),
            asked=f"{asked.method} {path} by {_DOORS[asked.door]}",
            stand=OUTCOMES[entry.outcome],
            status=entry.status,
            times=entry.times,
            summed=asked.method == SUMMED,
            key=asked.key or "",
            about=", ".join(f"{name} {value}" for name, value in entry.about.items()),
            made_by=asked.who.made_by or "",
        )


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
