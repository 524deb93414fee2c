"""Control records: Fettle's own records in `device.heartbeats`, and what they state.

A shard may know nothing that does not stand in its partition, so policies and registrations are appended to every
partition that they concern. Each is a whole statement. The header `fettle-control` names what it is, `fettle-number`
its number, `fettle-signature` signs topic, partition, key, number and value (see `fettle_chassis.signing`). The value
repeats what it is, so that the signature covers that too.

Those of the correlator (`policy`, `register`, `forget`, `announced`) are numbered by one counter, appended in that
order; a shard skips a number that is not above its highest. Those of the judge (`hello`, `pulse`, `skip`) carry number
0: a repeated one states nothing new.
"""

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from fettle_contracts import heartbeat

CONTROL_HEADER: Final = heartbeat.CONTROL_HEADER
NUMBER_HEADER: Final = "fettle-number"
SIGNATURE_HEADER: Final = "fettle-signature"
UNNUMBERED: Final = 0


class Stated(msgspec.Struct, frozen=True, kw_only=True, tag_field="control"):
    """What all statements share: the value says which one it is."""


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom an override is for: exactly one field is set. `subject` is written `type/id`."""

    integration: str | None = None
    model: str | None = None
    subject: str | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fields of the policy that hold otherwise for some subjects. A field that is not set is not overridden; a
    `timeout_s` of null is: back to three intervals."""

    match: Match
    timeout_s: float | UnsetType | None = UNSET
    default_interval_s: float | UnsetType = UNSET
    open_debounce_s: float | UnsetType = UNSET
    resolve_debounce_s: float | UnsetType = UNSET
    flap_threshold: int | UnsetType = UNSET
    flap_flips_threshold: int | UnsetType = UNSET
    flap_window_s: float | UnsetType = UNSET
    flap_stable_s: float | UnsetType = UNSET


class Policy(Stated, frozen=True, kw_only=True, tag="policy"):
    """An org's whole policy as it holds from this record on, platform defaults filled in. Key: the org."""

    org: str
    version: int
    enabled: bool
    discover: Literal["judge", "list_only"]
    subject_cap: int
    timeout_s: float | None
    default_interval_s: float
    open_debounce_s: float
    resolve_debounce_s: float
    flap_threshold: int
    flap_flips_threshold: int
    flap_window_s: float
    flap_stable_s: float
    overrides: tuple[Override, ...] = ()


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a subject's heartbeats have said of it, as far as it decides about its timing; null: nothing."""

    integration: str | None = None
    model: str | None = None
    interval_s: float | None = None


NOTHING_HEARD: Final = Heard()


class Register(Stated, frozen=True, kw_only=True, tag="register"):
    """What the registry says of a subject; its fields win over heartbeats, a null one leaves the field to them.
    `heard`, if it is given, counts where the registry said something before and says nothing now, and for a subject
    that the shard does not know. Key: `org/type/id`."""

    name: str | None = None
    integration: str | None = None
    space: str | None = None
    model: str | None = None
    interval_s: float | None = None
    heard: Heard | None = None


class Forget(Stated, frozen=True, kw_only=True, tag="forget"):
    """The subject has been removed. If it reports again, it is new. Key: `org/type/id`."""


class Hello(Stated, frozen=True, kw_only=True, tag="hello"):
    """The owner of this partition asks for everything in force. Key: `shard_key(partition)`."""

    nonce: str


class Announced(Stated, frozen=True, kw_only=True, tag="announced"):
    """Everything that was in force at `hello` with this nonce now stands before this record.
    Key: `shard_key(partition)`."""

    nonce: str


class Pulse(Stated, frozen=True, kw_only=True, tag="pulse"):
    """Time passes and `owner` can write; `beat` counts its pulses. Key: `shard_key(partition)`."""

    owner: str
    beat: int


class Skip(Stated, frozen=True, kw_only=True, tag="skip"):
    """The record at `offset` of this partition has ended three starts of the judge by a bug, and is left out from now
    on, here and in every replay. It changes nothing where it stands. Key: `shard_key(partition)`."""

    offset: int
    error: str


Statement: TypeAlias = Policy | Register | Forget | Hello | Announced | Pulse | Skip

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Statement]] = msgspec.json.Decoder(Statement)


def shard_key(partition: int) -> str:
    """The key of records that concern a partition and no subject. No org can be named so: it has no second `/`-part
    that is a subject type."""
    return f"fettle/shard/{partition}"


def kind(statement: Statement) -> str:
    """The value of the header `fettle-control`."""
    return str(statement.__struct_config__.tag)


def encode(statement: Statement) -> bytes:
    """The record's value."""
    return _encoder.encode(statement)


def decode(header: str, value: bytes) -> Statement:
    """Read the value of a record whose `fettle-control` header is `header`. Raises `msgspec.DecodeError` when it is
    unreadable and `msgspec.ValidationError` when it states something else than its header."""
    statement = _decoder.decode(value)
    if kind(statement) != header:
        raise msgspec.ValidationError(f"the header says {header}, the value {kind(statement)}")
    return statement
