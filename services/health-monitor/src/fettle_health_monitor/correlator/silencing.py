"""Which of the verdicts in hand a silence holds back, and what follows when one has ended."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.adapters.correlator import books, live, policies, silences, verdicts
from fettle_health_monitor.adapters.correlator.live import Key, Known
from fettle_health_monitor.adapters.correlator.rollups import Belongs
from fettle_health_monitor.adapters.correlator.silences import WHEN_ON_AGAIN, Due, HeldVerdict
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.domain.correlator.outcomes import HeldBack, Outcome, Silenced
from fettle_health_monitor.domain.correlator.recurrence import Unworkable
from fettle_health_monitor.domain.correlator.rollups import Single, Spell
from fettle_health_monitor.domain.correlator.silence_ends import Ended, after_end
from fettle_health_monitor.domain.correlator.silences import Occurrence, Silence, covers, look, occurrences, on_or_next
from fettle_health_monitor.domain.correlator.verdicts import OPENING, Cause, Verdict
from fettle_health_monitor.domain.judgements import InForce
from fettle_health_monitor.metrics import SILENCES_UNREAD

log = structlog.get_logger(__name__)

T = TypeVar("T")
OfDevice = TypeVar("OfDevice", Spell, Single, Belongs)

LOOK_AGAIN_MS = 1_000

_FOLLOWING = frozenset({Cause.JUDGED_AFRESH, Cause.LEFT_OVER})
"""What follows from how a shared ticket ended, which may be told late."""


class Silencing:
    """The silences that matter to a batch of verdicts. Where they cannot be read there are none: a surplus ticket beats
    a missed incident."""

    def __init__(self) -> None:
        self._read: set[Key] = set()
        self._span: tuple[int, ...] = ()
        self._of: dict[Key, list[Silence]] = {}
        self._over: set[tuple[Key, int]] = set()
        self._times = Counter[UUID]()
        self._held: list[HeldVerdict] = []

    @classmethod
    async def of(cls, connection: AsyncConnection, ready: Sequence[Verdict]) -> "Silencing":
        """Those of the verdicts' own subjects. Whoever is read later is read for the instants of all these verdicts."""
        silencing = cls()
        silencing._span = tuple({verdict.at for verdict in ready})
        opening = [verdict for verdict in ready if verdict.cause in OPENING]
        at = [verdict.at for verdict in opening]
        await silencing.read_of(connection, {(verdict.org, verdict.subject) for verdict in opening}, at)
        ended = [verdict.evidence["silence"] for verdict in opening if verdict.cause is Cause.SILENCE_ENDED]
        following = {(one.org, one.subject): one.at for one in opening if one.cause in _FOLLOWING}
        if following := {key: at for key, at in following.items() if silencing.may_silence(key)}:
            over = await unless_unreadable(connection, lambda: silences.ends_decided(connection, following))
            silencing._over |= over or set()
        since = {UUID(each["id"]): to_ms(parse_time(each["from"])) for each in ended}
        if since:
            times = await unless_unreadable(connection, lambda: silences.times(connection, since))
            silencing._times.update(times)
        return silencing

    async def read_of(self, connection: AsyncConnection, keys: Collection[Key], at: Collection[int]) -> None:
        """Reads the silences of these subjects too, as far as they matter at these instants."""
        new = set(keys) - self._read
        if not new:
            return
        after, until = min((*at, *self._span)), max((*at, *self._span))
        self._read |= new
        found = await unless_unreadable(
            connection, lambda: silences.reaching(connection, new, after=after, until=until)
        )
        for silence in found or ():
            self._of.setdefault((silence.org, silence.subject), []).append(silence)

    async def read_of_those_down(
        self, connection: AsyncConnection, lists: Collection[Key], at: Collection[int]
    ) -> dict[Key, set[str]]:
        """Reads the silences of who is down on the lists of these integrations' tickets. Answers with those who have
        any that matters."""
        found = await unless_unreadable(
            connection, lambda: silences.of_those_down(connection, lists, after=min(at), until=max(at))
        )
        if not found:
            return {}
        await self.read_of(connection, {(org, each) for (org, _), down in found.items() for each in down}, at)
        return found

    def unsilenced(self, org: str, found: Collection[OfDevice], at: int) -> Collection[OfDevice]:
        """Those of devices that are not silenced at this instant, as far as their silences were read."""
        if not self._of:
            return found
        return [one for one in found if not self.is_silenced((org, one.member.subject), at)]

    def may_silence(self, key: Key) -> bool:
        """Whether this subject has a silence at all, as far as they were read."""
        return key in self._of

    def is_silenced(self, key: Key, at: int) -> bool:
        """Whether this subject is silenced at this instant, as far as its silences were read."""
        return any(self._all_covering(key, at))

    def covering(self, key: Key, at: int) -> Silenced | None:
        """By the silence of just this subject that covers the instant, the one that lasts longest, as far as its
        silences were read. None that has ended, and whose end is decided: what is told late would never be asked for
        again."""
        lasting = None
        for silence, occurrence in self._all_covering(key, at):
            if (key, occurrence.end) in self._over:
                continue
            if lasting is None or occurrence.end > lasting.until:
                lasting = Silenced(silence.id, silence.by, occurrence.end)
        return lasting

    def _all_covering(self, key: Key, at: int) -> Iterator[tuple[Silence, Occurrence]]:
        """What was seen of a silence is kept: the next verdicts lie near this one."""
        of = self._of.get(key, [])
        for position, silence in enumerate(of):
            try:
                if silence.seen is None or not silence.seen.tells(at):
                    of[position] = look(silence, at)
                occurrence = covers(of[position], at)
            except Unworkable as error:
                _tell_unread(error)
                continue
            if occurrence is not None:
                yield silence, occurrence

    def held_back(self, verdict: Verdict) -> HeldBack | None:
        """What the silence whose end called for this verdict has held back."""
        if verdict.cause is not Cause.SILENCE_ENDED:
            return None
        ended = verdict.evidence["silence"]
        times = self._times[UUID(ended["id"])]
        return HeldBack(ended["by"], to_ms(parse_time(ended["until"])), times) if times else None

    def follow(self, verdict: Verdict, outcome: Outcome) -> None:
        """Counts a verdict that was held back; `save` keeps it."""
        if isinstance(outcome, Silenced):
            self._times[outcome.silence] += 1
            about = (verdict.id, verdict.at, verdict.condition, verdict.cause.value)
            self._held.append(HeldVerdict(outcome.silence, *about))

    async def save(self, connection: AsyncConnection) -> None:
        if self._held:
            await silences.hold(connection, self._held)


async def orgs_with_ended(connection: AsyncConnection, clocks: Collection[Shown]) -> set[str]:
    """The orgs in which silences have ended by these clocks; none where that cannot be read."""
    return await unless_unreadable(connection, lambda: silences.orgs_with_due(connection, clocks)) or set()


async def call_for_ended(
    connection: AsyncConnection, clocks: Collection[Shown], orgs: Collection[str], coming: Sequence[InForce]
) -> None:
    """Silences of these (locked) orgs that have ended by these clocks: who still fails gets a verdict, by the policy
    that held at its instant. `coming` are those that have come into force by these clocks, and not taken effect yet;
    where there are any, no end is left for later, when it is not known any more what held before."""
    while found := await unless_unreadable(connection, lambda: silences.due(connection, clocks, orgs)):
        await _call_for(connection, found, coming)
        if not coming:
            return


async def _call_for(connection: AsyncConnection, found: Sequence[Due], coming: Sequence[InForce]) -> None:
    failed = {(each.silence.org, each.silence.subject) for each in found if each.stood and each.stood.condition}
    names = await live.names(connection, failed)
    versions = await policies.in_force_of(connection, {(each.silence.org, each.shard) for each in found})
    by = [_in_force_at_end(each, coming) or versions.get((each.silence.org, each.shard), 0) for each in found]
    wanted = {(each.silence.org, version) for each, version in zip(found, by, strict=True)}
    off = {key for key, version in (await policies.versions(connection, wanted)).items() if not version.policy.enabled}
    called, after = dict[UUID, Verdict](), dict[UUID, tuple[Occurrence | None, int | None]]()
    for each, version in zip(found, by, strict=True):
        silence = each.silence
        follows = after_end(
            Ended(
                silence,
                each.occurrence,
                each.stood,
                names.get((silence.org, silence.subject), Known()),
                policy_version=version,
                settled=each.settled,
                enabled=(silence.org, version) not in off,
                due_at=each.due_at,
            )
        )
        if follows in ("wait", "on_again"):
            look_at = each.now + LOOK_AGAIN_MS if follows == "wait" else WHEN_ON_AGAIN
            after[silence.id] = (each.occurrence, look_at)
            continue
        following = _next(silence, each.occurrence.end)
        after[silence.id] = (following, None if following is None else following.end)
        if isinstance(follows, Verdict):
            called.setdefault(follows.id, follows)
    await silences.go_on(connection, after)
    log.info("silences.ended", ended=len(found), failing=len(called))
    new = called.keys() - await verdicts.decided_of(connection, called)
    if new:
        partition_of = {each.silence.org: each.partition for each in found}
        waiting = [called[id] for id in called if id in new]
        await books.enter(connection, waiting)
        await verdicts.wait(connection, waiting, partition_of)


def _in_force_at_end(ended: Due, coming: Sequence[InForce]) -> int | None:
    """The newest of `coming` by then; None where that is what has taken effect."""
    of, end = (ended.silence.org, ended.shard), ended.occurrence.end
    return max((said.version for said in coming if (said.org, said.shard) == of and said.at <= end), default=None)


def occurrences_of(found: Sequence[Silence], after: int, until: int) -> list[tuple[str, Occurrence]]:
    """Whose silences hold between these instants, and when; one that cannot be read holds never."""
    holding = []
    for silence in found:
        try:
            holding += [(silence.subject, each) for each in occurrences(silence, after, until)]
        except Unworkable as error:
            _tell_unread(error)
    return holding


def _next(silence: Silence, at: int) -> Occurrence | None:
    try:
        return on_or_next(silence.schedule, at)
    except Unworkable as error:
        _tell_unread(error)
        return None


async def unless_unreadable(connection: AsyncConnection, read: Callable[[], Awaitable[T]]) -> T | None:
    """None where this reading fails and the connection lives: all else that the transaction does stays."""
    try:
        async with connection.begin_nested():
            return await read()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        _tell_unread(error)
        return None


def _tell_unread(error: Exception) -> None:
    SILENCES_UNREAD.inc()
    log.warning("silences.unread", error=str(error))
