"""Orgs, tokens, members, the audit log, dead letters, and heartbeats that are posted."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

Role = Literal["viewer", "operator", "admin", "ingest"]
PersonsRole = Literal["viewer", "operator", "admin"]


class Org(TypedDict):
    """An org of this installation. `zone`: by which its pages show exact times; None: by the clock of each reader."""

    org: str
    name: str
    created_at: str
    zone: str | None


class Token(TypedDict):
    """A token, without its text. `used_at`: its last use, to five minutes; None: it was never used."""

    id: str
    role: Role
    name: str
    created_at: str
    created_by: str
    expires_at: str
    used_at: str | None


class NewToken(Token):
    """A new token with its text. The answer to a repeat is without it, as only its hash is kept."""

    token: NotRequired[str]


Outcome = Literal["asked", "done", "refused", "failed"]


class AuditActor(TypedDict):
    """Who asked, as what; of a token who made it. The installation's own token has no name and no role in an org."""

    id: str
    name: str | None
    role: Role | None
    made_by: str | None


class AuditEntry(TypedDict):
    """One request to change something. `path` comes after the org (`/` is the org itself). `key` is its
    Idempotency-Key, under which it came `times`. `asked`: no answer was heard. With the method `*` it is the sum of
    `times` refusals."""

    id: str
    at: str
    actor: AuditActor
    door: Literal["api", "page"]
    method: str
    path: str
    key: str | None
    times: int
    outcome: Outcome
    status: int | None
    about: Mapping[str, str]


class Member(TypedDict):
    """A person in the org. `given_by`: whose word the role is; `role` is null of somebody who was just taken out."""

    person: str
    role: PersonsRole | None
    given_by: Literal["provider", "org"]
    name: str | None
    added_at: str
    added_by: str
    signed_in_at: str | None


class SentTo(TypedDict):
    """Where a record was put, its topic as Kafka calls it."""

    topic: str
    partition: int
    offset: int


class SentAgain(TypedDict):
    """A dead letter that was sent again."""

    topic: str
    offset: int
    to: SentTo


class Heartbeat(TypedDict):
    """What a device or an integration reports. `status`: devices `ok` or `offline`, integrations `ok`, `unreachable`
    or `credentials_invalid`; without one it is `ok`. `at` and `seq` are evidence only."""

    type: Literal["device", "integration"]
    id: str
    status: NotRequired[Literal["ok", "offline", "unreachable", "credentials_invalid"]]
    integration: NotRequired[str]
    interval_s: NotRequired[float]
    name: NotRequired[str]
    model: NotRequired[str]
    space: NotRequired[str]
    reason: NotRequired[str]
    at: NotRequired[str]
    seq: NotRequired[int]


class RefusedLine(TypedDict):
    """A heartbeat that is none, counted from 1; `code` as in the dead letters of `device.heartbeats`."""

    line: int
    code: str
    message: str
    field: str | None


class Taken(TypedDict):
    """How many heartbeats Kafka has, and each that was refused."""

    accepted: int
    refused: list[RefusedLine]
