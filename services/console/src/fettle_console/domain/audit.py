"""The record of what people and programs asked Fettle to change: which requests stand in it, and under which name."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from operator import index
from urllib.parse import parse_qs, quote, unquote
from uuid import UUID

from fettle_console.domain.credentials import TOKEN, Bearer
from fettle_console.domain.origins import SAFE_METHODS
from fettle_console.domain.people import known_as
from fettle_contracts.roles import Caller, Role
from fettle_contracts.times import from_ms, to_ms

KEPT = timedelta(days=400)
"""A year, and the month in which somebody looks back at it."""

REPEATS = timedelta(days=30)
"""For so long the services know a key again; what comes under it later is another change."""

_PATH_CHARACTERS = 1_000
_KEY_CHARACTERS = 256

_CHANGES_NOTHING = re.compile(r"/heartbeats|/tickets/verify|/workflows/[^/]+/(preview|test-runs)")
"""Written requests that ask, and reports of devices, which are what Fettle watches and not what somebody does to it."""

_ORGS = "/api/v1/orgs/"
_ROLE, _BULK = ("PUT", "/members"), ("POST", "/tickets/bulk")
BULK_ACTIONS = ("start", "move-to-open", "resolve", "reopen", "comment")
"""What can be done to many tickets at once."""
_BULK_MAX = 200
_NO_NUMBER = 2**63
NUMBERS = "numbers"
"""Which tickets, in what is known of an entry about many."""

_CAN_BE_DRY = frozenset({"/silences", "/subjects/import", "/workflows"})
NOBODYS = "none"
"""What stands for the role of a member who is taken out."""

SIGN_IN_PATH = "/sign-in"
"""What a sign-in is entered under; no operation of an org has this path."""

REFUSALS_EACH_MINUTE = 60
"""So many refusals of one actor have an entry of their own in each minute; more are counted in one."""
SUMMED = "*"
"""The method of such a sum, which no request has."""

_YES = frozenset({"1", "true", "t", "yes", "y", "on"})


UNHEARD = 504
"""The status of a request whose service was not heard: it may be done."""


class Door(StrEnum):
    """Where it came in."""

    API = "api"
    PAGE = "page"


class AuditOutcome(StrEnum):
    """What became of a request. `asked`: no answer was heard, as it is under way, its console stopped meanwhile, or the
    service that was to do it did not answer (504)."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"

    @classmethod
    def of(cls, status: int | None) -> "AuditOutcome":
        """By the status of the answer."""
        if status is None or status == UNHEARD:
            return cls.ASKED
        return cls.DONE if status < 400 else cls.REFUSED if status < 500 else cls.FAILED


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. The installation's own token has neither a name nor a role in the org; nor has a sign-in that changes
    a role, whose name is the provider's. Of a token the log knows who made it (`made_by`)."""

    id: str
    name: str | None
    role: str | None
    made_by: str | None = None

    @classmethod
    def of(cls, bearer: Bearer) -> "Who":
        if isinstance(bearer, Caller):
            return cls(bearer.actor_id, bearer.actor_name, bearer.role.value)
        return cls(bearer.actor_id, None, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to change something of an org. `path` comes after the org; `key` is its Idempotency-Key."""

    org: str
    who: Who
    door: Door
    method: str
    path: str
    key: str | None

    @classmethod
    def on_page(cls, caller: Caller, method: str, path: str, key: str | None = None) -> "Asked":
        """What a person asks on a page."""
        return cls(caller.org, Who.of(caller), Door.PAGE, method, named(path), kept_key(key))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record. Its id is the request's, and says when it came; `times` it was sent under its key, or so
    many refusals it is the sum of. `about` is what is known beyond the path and the status."""

    id: UUID
    asked: Asked
    status: int | None
    times: int
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        return moment_of(self.id)

    @property
    def outcome(self) -> AuditOutcome:
        return AuditOutcome.of(self.status)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; what is None leaves nothing out. `thing` is a path and all below it."""

    actor: str | None = None
    thing: str | None = None
    outcome: AuditOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None


def is_change(method: str, path: str, query: str = "") -> bool:
    """Whether a request would change something. `path` comes after the org and is encoded, `query` is raw."""
    if method in SAFE_METHODS:
        return False
    decoded = unquote(path)
    if method == "POST" and _CHANGES_NOTHING.fullmatch(decoded):
        return False
    said = parse_qs(query).get("dry_run", [])
    return not (method == "POST" and decoded in _CAN_BE_DRY and said and said[-1].lower() in _YES)


def asks_to_change(method: str, address: str) -> bool:
    """`is_change` of a whole address of the API: a raw path with its org, and its query."""
    path, _, query = address.partition("?")
    return is_change(method, f"/{path.removeprefix(_ORGS).partition('/')[2]}", query)


def named(path: str) -> str:
    """A path in one spelling, whichever characters were written encoded; `/` for the org itself. It can be kept."""
    return quote(unquote(path))[:_PATH_CHARACTERS] or "/"


def is_said_in_body(method: str, path: str) -> bool:
    """Whether only the body of the request says whom, or how many, it is about."""
    return (method, path) in (_ROLE, _BULK)


def whose_role(method: str, path: str, body: bytes) -> str:
    """The path; of a request to change a member's role, whose path says neither, with the person and the role behind
    it. A body that makes no sense adds nothing: the request will be refused."""
    if (method, path) != _ROLE:
        return path
    try:
        said = json.loads(body)
        person, role = known_as(said["person"]), said["role"]
        return named(f"/members/{quote(person)}/{NOBODYS if role is None else Role(role).value}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return path


def words_of_bulk(method: str, path: str, body: bytes) -> dict[str, str]:
    """What is to be done to how many tickets, and to which; nothing of any other request, or of a body that makes no
    sense."""
    if (method, path) != _BULK:
        return {}
    try:
        said = json.loads(body)
        action, numbers = said["action"], said["numbers"]
        if action not in BULK_ACTIONS or not isinstance(numbers, list):
            return {}
        tickets = sorted({index(number) for number in numbers})
        about = {"action": action, "tickets": str(len(tickets))}
        if 0 < len(tickets) <= _BULK_MAX and tickets[0] > 0 and tickets[-1] < _NO_NUMBER:
            about[NUMBERS] = ", ".join(map(str, tickets))
        return about
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}


def words_of_change(before: Role | None, after: Role | None) -> dict[str, str]:
    """What an entry says of a member's role that changed."""
    return {"from": before.value if before else NOBODYS, "to": after.value if after else NOBODYS}


def token_of(actor_id: str) -> UUID | None:
    """The id of the token that an actor is; None for anybody else."""
    kind, _, id = actor_id.partition("/")
    return UUID(id) if kind == TOKEN else None


def minute_of(id: UUID) -> datetime:
    """The beginning of the minute in which a time-ordered id was drawn."""
    return moment_of(id).replace(second=0, microsecond=0)


def kept_key(key: str | None) -> str | None:
    """An Idempotency-Key that can be kept; None for what no service would take for one."""
    return key if key and len(key) <= _KEY_CHARACTERS and key.isprintable() else None


def same_again(asked: Asked, query: str, body: bytes, secret: bytes) -> bytes | None:
    """What repeats of this very request have in common; None without a key, when each is one of its own.

    Keyed with `secret`: a body may hold what nobody must be able to guess from what is kept.
    """
    if asked.key is None:
        return None
    parts = (asked.org, asked.who.id, asked.method, asked.path, query, asked.key)
    text = "\n".join(quote(part, safe="") for part in parts).encode() + b"\n" + body
    return hmac.digest(secret, blake2b(text, digest_size=32).digest(), "sha256")[:16]


def moment_of(id: UUID) -> datetime:
    """When a time-ordered id (UUIDv7) was drawn."""
    return from_ms(id.int >> 80)


def first_id(at: datetime) -> UUID:
    """The least id of that millisecond; there are none from before 1970."""
    return UUID(int=max(0, to_ms(at)) << 80)
