"""What the judge tells the correlator: the messages of the internal topic `health.judgements`.

Every message names the shard (the heartbeat partition) that made it, the generation of that shard's log, and its
place: the offset of the heartbeat record that caused it and its index among the messages of that record. A shard writes
them in the order of their places and may write any of them again after a restart; per judgements partition and shard
whatever is not above the highest `(generation, offset, index)` seen is a repeat.

Messages about an org are keyed by it. `Clock`, `Hello` and `Unobserved` go to every partition of the topic, behind all
messages with a lower place. Instants are broker time in milliseconds since 1970 (UTC).
"""

from typing import Final, TypeAlias

import msgspec

CLOCK_INDEX: Final = 2**31 - 1
"""The index of a clock: behind every message that its record caused."""


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", gc=False):
    """What all messages share. `place` is `(offset, index)`."""

    shard: int
    generation: int
    place: tuple[int, int]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a change rests on. `offset` is the record at which it was decided, `deadline` the instant at which silence
    became too long (null when a heartbeat said so), `status` the reading that the change is about: `silent`, or what
    the last heartbeat said (null: registered, and neither heard nor silent yet), `debounce_s` the time that counted: a
    debounce, the flap window on the way into flapping, the stable window out of it."""

    last_heard: int | None
    deadline: int | None
    partition: int
    offset: int
    status: str | None
    timeout_s: float
    debounce_s: float


class Change(Judged, frozen=True, kw_only=True, tag="change"):
    """A subject moved from one state to another. `from_state` is null when it is first heard or registered, `to_state`
    when it is forgotten. `since` is the instant from which its reading has been what it now is. `condition` is null
    while nothing is wrong; on the way back to healthy it is the one that ends. Only from `firing` to `firing` nothing
    moves but the condition. `flap_count` is how many confirmed changes lay within the flap window before this one; on
    the way into flapping it is the count that was full, of changes or of flips."""

    id: str
    org: str
    subject: str
    from_state: str | None = msgspec.field(name="from")
    to_state: str | None = msgspec.field(name="to")
    condition: str | None
    at: int
    since: int
    reason: str
    policy_version: int
    flap_count: int
    evidence: Evidence


class HeardAgain(Judged, frozen=True, kw_only=True, tag="heard_again"):
    """A subject that had been silent for too long was heard, and its state stayed what it is: the heartbeat says that
    it is not well either, or it flaps, or a policy or registration had taken the silence back before. Or one that was
    only registered, or told of in a new log, was heard for the first time and is well. `condition` is what its reading
    means now (null: nothing is wrong)."""

    org: str
    subject: str
    condition: str | None
    status: str
    at: int


class Profile(Judged, frozen=True, kw_only=True, tag="profile"):
    """What a heartbeat says a subject is called and where it belongs; sent when first heard and when any of it changed.
    A null field was not said and leaves what is known; of a `newcomer`, whom the shard hears for the first time or
    again behind its removal, nothing is known. The registry wins over all of it."""

    org: str
    subject: str
    name: str | None
    integration: str | None
    space: str | None
    model: str | None
    interval_s: float | None
    at: int
    newcomer: bool = False


class Unwatched(Judged, frozen=True, kw_only=True, tag="unwatched"):
    """A subject that reports and is not judged: `subject_cap` or `list_only` says why. Told once a subject, and for a
    bounded number of them."""

    org: str
    subject: str
    reason: str
    at: int


class InForce(Judged, frozen=True, kw_only=True, tag="in_force"):
    """From `at` on this shard judges the org by this version of its policy."""

    org: str
    version: int
    enabled: bool
    at: int


class Clock(Judged, frozen=True, kw_only=True, tag="clock"):
    """All of the shard's log up to `offset` has been judged. `at` is the latest broker time seen up to that record (it
    never steps back), `clock` the milliseconds that the shard has observed, `address` where its owner answers
    (`GET /internal/subjects/…`)."""

    at: int
    clock: int
    offset: int
    address: str


class Hello(Judged, frozen=True, kw_only=True, tag="hello"):
    """The shard knows nothing, or has lost log that it had not read, and judges nothing until it has read `announced`
    with this nonce, behind every policy and registration in force."""

    nonce: str


class Unobserved(Judged, frozen=True, kw_only=True, tag="unobserved"):
    """Between these instants the log held no record: nobody can say who was silent."""

    from_at: int = msgspec.field(name="from")
    to_at: int = msgspec.field(name="to")


Judgement: TypeAlias = Change | HeardAgain | Profile | Unwatched | InForce | Clock | Hello | Unobserved

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Judgement]] = msgspec.json.Decoder(Judgement)


def encode(judgement: Judgement) -> bytes:
    """The message as JSON, the value of its Kafka record."""
    return _encoder.encode(judgement)


def decode(value: bytes) -> Judgement:
    """Read a record's value. Unknown fields are ignored. Raises `msgspec.DecodeError` (also for a field that does not
    fit)."""
    return _decoder.decode(value)
