"""A shard's whole state as bytes, and back.

Columns are stored as they lie in memory (little-endian on every machine that Fettle runs on), so that a quarter of a
million subjects take milliseconds to copy. What only saves work is left out: the timer heap and the hashes of values.
"""

from array import array
from typing import Final

import msgspec

from fettle_health_monitor.domain.control import Policy
from fettle_health_monitor.domain.judge.clock import ObservedClock
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat, is_behind_none
from fettle_health_monitor.domain.judge.interned import Interned
from fettle_health_monitor.domain.judge.judge import Judge
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED, OrgPolicy, Profile, Timing
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.domain.judge.states import Reading, State
from fettle_health_monitor.domain.judge.subjects import (
    CACHES,
    FROM_REGISTRY_INTEGRATION,
    FROM_REGISTRY_INTERVAL,
    FROM_REGISTRY_MODEL,
    INSTANTS,
    LOUD,
    NUMBERS,
    SAID,
    SMALL,
    UNHEARD,
    checksums,
)
from fettle_health_monitor.domain.judge.timers import NOT_QUEUED

_COLUMNS: Final = (*INSTANTS, *NUMBERS, *SMALL)
_BETWEEN_KEYS: Final = b"\0"
"""No key holds it: subject ids have no control characters."""


class Greeting(msgspec.Struct, frozen=True, tag="greeting"):
    """A shard that has begun and was not told yet what is in force: where its hello stands, and with which nonce."""

    nonce: str
    place: Place


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """A shard at a place of its log; shares nothing with the shard, which may go on at once."""

    partition: int
    partitions: int
    generation: int
    rules_version: int
    place: Place
    number: int
    clock: tuple[int, int, int, int]
    policies: tuple[Policy, ...]
    profiles: list[Profile]
    timings: list[Timing]
    listed: dict[str, dict[str, Ignored]]
    keys: bytes
    columns: dict[str, bytes]
    flaps: dict[int, bytes] = {}
    turned: dict[int, tuple[int, int]] = {}


def snapshot(shard: Shard) -> Snapshot:
    """Copy the state. Raises ValueError while the shard has read nothing or waits to be told what is in force: such a
    shard has no state worth keeping and starts anew."""
    if shard.place is None or shard.announcement is not None:
        raise ValueError("a shard that does not judge yet has no checkpoint")
    judge, subjects = shard.judge, shard.judge.subjects
    clock = judge.clock
    return Snapshot(
        partition=shard.partition,
        partitions=shard.partitions,
        generation=shard.generation,
        rules_version=RULES_VERSION,
        place=shard.place,
        number=shard.number,
        clock=(clock.now, clock.record, clock.resumed, clock.said),
        policies=tuple(policy.statement for policy in judge.policies.values()),
        profiles=list(subjects.profiles.values),
        timings=list(subjects.timings.values),
        listed={org: dict(keys) for org, keys in shard.newcomers.listed.items()},
        keys=_BETWEEN_KEYS.join(subjects.keys),
        columns={name: getattr(subjects, name).tobytes() for name in _COLUMNS},
        flaps=judge.flaps.saved(),
        turned=dict(judge.turned),
    )


def begin(partition: int, partitions: int, generation: int, nonce: str) -> Shard:
    """A shard that knows nothing and waits to be told, from its hello on."""
    shard = Shard(partition, partitions, generation)
    shard.await_announcement(nonce)
    return shard


def restore(saved: Snapshot) -> Shard:
    """A shard that goes on as the saved one would have; one that was saved under earlier rules goes on by these."""
    shard = Shard(saved.partition, saved.partitions, saved.generation)
    shard.place, shard.number = saved.place, saved.number
    shard.newcomers.restore(saved.listed)
    judge, subjects = shard.judge, shard.judge.subjects
    judge.clock = ObservedClock(*saved.clock)
    judge.policies.update((policy.org, OrgPolicy(policy)) for policy in saved.policies)
    subjects.profiles, subjects.timings = Interned(saved.profiles), Interned(saved.timings)
    for name in saved.columns:
        getattr(subjects, name).frombytes(saved.columns[name])
    size = len(subjects.state)
    subjects.keys.extend(saved.keys.split(_BETWEEN_KEYS) if size else ())
    subjects.rows.update((key, row) for row, key in enumerate(subjects.keys) if key)
    subjects.queued.extend(array("q", [NOT_QUEUED]) * size)
    for name in CACHES:
        getattr(subjects, name).extend(array("q", [LOUD]) * size)
    subjects.adopt_free_rows()
    judge.flaps.restore(saved.flaps)
    judge.turned.update(saved.turned)
    if saved.rules_version == 1:
        _go_on_from_rules_1(judge)
    if saved.rules_version <= 5:
        _go_on_from_rules_5(judge)
    if saved.rules_version <= 7:
        _go_on_from_rules_7(judge)
    for row in subjects:
        shard.newcomers.watched[subjects.profiles.values[subjects.profile[row]].org] += 1
    judge.timers.rebuild(list(subjects), judge.due_at)
    return shard


def _go_on_from_rules_1(judge: Judge) -> None:
    """Nothing flapped and no condition changed while firing: both count from here."""
    subjects = judge.subjects
    silent = Reading.SILENT
    subjects.reported.extend(Reading.OK if reading == silent else reading for reading in subjects.reading)
    subjects.timings = Interned((NOT_JUDGED,))
    for row in subjects:
        profile = subjects.profiles.values[subjects.profile[row]]
        subjects.set_timing(row, judge.policies[profile.org].timing(profile, judge.subject_of(row)))
        if subjects.state[row] == State.FIRING:
            subjects.since[row] = judge.clock.now


def _go_on_from_rules_5(judge: Judge) -> None:
    """Integrations were behind what they named: what runs of them is timed by what is theirs, and overdue at the next
    record."""
    subjects = judge.subjects
    for row in subjects:
        profile = subjects.profiles.values[subjects.profile[row]]
        if profile.integration is not None and is_behind_none(subjects.keys[row]):
            subjects.set_profile(row, profile._replace(integration=None))
            policy = judge.policies[profile.org]
            subjects.set_timing(row, policy.timing(profile._replace(integration=None), judge.subject_of(row)))


def _go_on_from_rules_7(judge: Judge) -> None:
    """Of what heartbeats said only what counted was kept: what the registry says otherwise is told at the next one. Who
    had not been heard was known by its times."""
    subjects = judge.subjects
    for name in SAID[:3]:
        getattr(subjects, name).extend([0] * len(subjects.state))
    for row in subjects:
        given, known = subjects.registry[row], subjects.profiles.values[subjects.profile[row]]
        said = Heartbeat(
            integration=None if given & FROM_REGISTRY_INTEGRATION else known.integration,
            model=None if given & FROM_REGISTRY_MODEL else known.model,
            interval_s=None if given & FROM_REGISTRY_INTERVAL else known.interval_s,
        )
        subjects.set_said(row, (*checksums(said)[:3], subjects.name[row], subjects.space[row]))
        turned, _ = judge.turned.get(row, (subjects.since[row], 0))
        if subjects.reading[row] == Reading.OK and (not subjects.heard_at[row] or subjects.silent_from[row] < turned):
            subjects.registry[row] |= UNHEARD


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Snapshot | Greeting]] = msgspec.msgpack.Decoder(Snapshot | Greeting)


def pack(saved: Snapshot | Greeting) -> bytes:
    return _encoder.encode(saved)


def unpack(data: bytes) -> Snapshot | Greeting:
    """Raises `msgspec.DecodeError` for what is no checkpoint."""
    return _decoder.decode(data)
