"""Tickets that devices share, around one batch of verdicts: what is known of groups before, what follows after."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import (
    live,
    policies,
    rollups,
    watches,
)
from fettle_health_monitor.adapters.correlator.live import Key, Known
from fettle_health_monitor.adapters.correlator.rollups import Around, Belongs, Place
from fettle_health_monitor.correlator.former_lists import FormerLists
from fettle_health_monitor.correlator.joining import about_to_join
from fettle_health_monitor.correlator.list_ends import ListEnds
from fettle_health_monitor.correlator.silencing import Silencing
from fettle_health_monitor.domain.correlator.commands import OwnCommand, checklists
from fettle_health_monitor.domain.correlator.decide import SUPERSEDING
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    CalledOff,
    Joined,
    Opened,
    OpenedTogether,
    Outcome,
    Reopened,
)
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import (
    MANY,
    Group,
    Member,
    Parent,
    Single,
    Spell,
    integration_named,
    integration_of,
    is_integration,
    member_of,
)
from fettle_health_monitor.domain.correlator.verdicts import ENDING, Cause, Verdict
from fettle_health_monitor.domain.correlator.watches import OPEN_REFUSED, WatchKind

_SHARES_NOTHING = ENDING | {Cause.UNSEEN}


def group_of(verdict: Verdict) -> Key | None:
    """Org and subject of the integration that a verdict is about, or that its device is behind."""
    if is_integration(verdict.subject):
        return (verdict.org, verdict.subject)
    return (verdict.org, integration_of(verdict.named.integration)) if verdict.named.integration else None


class Sharing:
    """Groups as they are while the verdicts of one transaction are decided one after the other.

    `incidents` are those of all subjects and integrations concerned; the caller keeps them up to date, as it does
    `versions`, the policies by org and version.
    """

    def __init__(
        self,
        incidents: Mapping[Key, Mapping[str, Incident]],
        versions: Mapping[tuple[str, int], PolicyVersion],
        partition_of: Mapping[str, int],
        silencing: Silencing,
    ) -> None:
        self._incidents, self._versions, self._partition_of = incidents, versions, partition_of
        self._silencing, self.list_ends, self._former = silencing, ListEnds(partition_of), FormerLists()
        self._around: dict[Key, Around] = {}
        self._names: Mapping[Key, Known] = {}
        self._undecided: set[Key] = set()
        self._afresh: set[Key] = set()
        self._down: dict[Key, int] = {}
        self._may_be_silenced: dict[Key, set[str]] = {}
        self._pending: Mapping[Key, int] = {}
        self._few: dict[Key, Verdict] = {}
        self._many: set[Key] = set()
        self._known_rules: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._belongs: dict[Key, Belongs] = {}
        self._joining: dict[Key, tuple[Belongs, Verdict]] = {}
        self._recovered: dict[Key, tuple[Belongs, Verdict]] = {}
        self._takes_over: list[tuple[Verdict, Parent]] = []
        self._stays_open: list[tuple[Verdict, Parent]] = []
        self._comes_back: list[tuple[Verdict, Parent]] = []
        self._asked_again: list[tuple[Verdict, Parent]] = []
        self._together: list[tuple[Verdict, Parent]] = []

    async def load(self, connection: AsyncConnection, ready: Sequence[Verdict]) -> None:
        """What decisions about these verdicts need to know."""
        opening = [verdict for verdict in ready if verdict.cause not in _SHARES_NOTHING]
        subjects = {(verdict.org, verdict.subject) for verdict in ready}
        self._belongs = await rollups.parents(connection, subjects)
        await self._former.load(connection, subjects)
        groups = {group for verdict in opening if (group := group_of(verdict)) is not None}
        lists = groups | {(org, one.parent.subject) for (org, _), one in self._belongs.items()}
        if lists:
            self._down = await rollups.down(connection, lists)
            at = [verdict.at for verdict in ready]
            self._may_be_silenced = await self._silencing.read_of_those_down(connection, lists, at)
        self._afresh = await watches.running(
            connection, WatchKind.JUDGED_AFRESH, {(verdict.org, verdict.subject) for verdict in opening}
        )
        if not groups:
            return
        self._names = await live.names(connection, groups)
        self._undecided = await watches.undecided(connection, groups)
        if about_many := {(one.org, one.subject): one.at for one in opening if one.condition == MANY}:
            self._pending = await about_to_join(connection, self._silencing, about_many)
        looked_around: dict[Place, int] = {}
        for verdict in opening:
            key = group_of(verdict)
            if key is not None and (verdict.subject == key[1] or not self._is_taken_in(key)):
                place = (key[0], integration_named(key[1]))
                since = verdict.at - self._rules(key, verdict)[1]
                looked_around[place] = min(since, looked_around.get(place, since))
        if looked_around:
            found = await rollups.around(connection, looked_around)
            judging = await self._judging(connection, found)
            for (org, integration), around in found.items():
                spells = tuple(_as_judged_afresh(integration, spell, judging.get(org, {})) for spell in around.spells)
                self._around[org, integration_of(integration)] = replace(around, spells=spells)
            behind = {(key[0], spell.member.subject) for key, around in self._around.items() for spell in around.spells}
            behind |= self.with_singles()
            await self._silencing.read_of(connection, behind, [verdict.at for verdict in opening])
            if others := behind - subjects:  # who may join a ticket by another's verdict
                self._belongs |= await rollups.parents(connection, others)
                await self._former.load(connection, others)

    @staticmethod
    async def _judging(
        connection: AsyncConnection, found: Mapping[Place, Around]
    ) -> dict[str, dict[int, PolicyVersion]]:
        """By org and shard the policies of those who are judged afresh."""
        shards: defaultdict[str, set[int]] = defaultdict(set)
        for (org, _), around in found.items():
            shards[org] |= {spell.fresh.shard for spell in around.spells if spell.fresh is not None}
        return {org: await policies.of_shards(connection, org, of) for org, of in shards.items() if of}

    def with_singles(self) -> set[Key]:
        """Those whose own tickets may be merged."""
        return {(org, subject) for (org, _), around in self._around.items() for subject in around.singles}

    def is_judged_afresh(self, verdict: Verdict) -> bool:
        """Whether its time after its integration's recovery is not over. A verdict that says that it is over is."""
        return verdict.cause is not Cause.JUDGED_AFRESH and (verdict.org, verdict.subject) in self._afresh

    def group(self, verdict: Verdict) -> Group | None:
        key = group_of(verdict)
        return None if key is None or verdict.cause in _SHARES_NOTHING else self._group(key, verdict)

    def _group(self, key: Key, verdict: Verdict) -> Group:
        around = self._around.get(key, Around())
        threshold, window_ms = self._rules(key, verdict)
        return Group(
            subject=key[1],
            name=self._names.get(key, Known()).name,
            tickets=self._incidents.get(key, {}),
            undecided=key in self._undecided,
            spells=self._silencing.unsilenced(verdict.org, around.spells, verdict.at),
            singles=self._silencing.unsilenced(verdict.org, around.singles.values(), verdict.at),
            down=self._down_at(key, verdict.at) + self._pending.get(key, 0) if verdict.condition == MANY else 0,
            threshold=threshold,
            window_ms=window_ms,
        )

    def _down_at(self, key: Key, at: int) -> int:
        """How many are down on the integration's list, those left aside who are silenced at this instant."""
        silenced = (self._silencing.is_silenced((key[0], one), at) for one in self._may_be_silenced.get(key, ()))
        return self._down.get(key, 0) - sum(silenced)

    def _is_taken_in(self, key: Key) -> bool:
        """Whether a device behind this integration has a ticket to join, or to wait for."""
        tickets = self._incidents.get(key, {})
        return key in self._undecided or any(incident.will_be_open for incident in tickets.values())

    def _rules(self, key: Key, verdict: Verdict) -> tuple[int, int]:
        """How many devices of the integration are many, and in how many milliseconds, by the verdict's policy."""
        which = (*key, verdict.policy_version)
        if which not in self._known_rules:
            version = self._versions.get((verdict.org, verdict.policy_version))
            rules = None if version is None else version.rules_for(key[1], integration_named(key[1]), None)
            self._known_rules[which] = (rules.rollup_threshold, rules.rollup_window_s * 1000) if rules else (0, 0)
        return self._known_rules[which]

    def follow(self, verdict: Verdict, outcome: Outcome) -> None:
        """Takes in how a verdict ended, for those behind it in the batch."""
        key = group_of(verdict)
        match outcome:
            case Joined(parent, member):
                self._joins(verdict, member, parent)
            case OpenedTogether():
                for member in outcome.members:
                    self._joins(verdict, member, outcome.parent)
                self._together.append((verdict, outcome.parent))
                self._comes_back.append((verdict, outcome.parent))
            case Opened() | Reopened() if is_integration(verdict.subject):
                parent = Parent(verdict.subject, verdict.condition)
                for member in outcome.merges:
                    self._joins(verdict, member, parent)
                if verdict.condition != MANY:
                    self._takes_over.append((verdict, parent))
                elif isinstance(outcome, Reopened):
                    self._comes_back.append((verdict, parent))
                if isinstance(outcome, Opened) and outcome.because == OPEN_REFUSED:
                    self._asked_again.append((verdict, parent))
            case AlreadyOpen(supersedes=conditions, takes_over=takes_over) if (
                conditions or takes_over
            ) and is_integration(verdict.subject):
                self._takes_over.append((verdict, Parent(verdict.subject, verdict.condition)))
            case AlreadyOpen() if verdict.cause in SUPERSEDING and is_integration(verdict.subject):
                self._stays_open.append((verdict, Parent(verdict.subject, verdict.condition)))
            case Opened() | Reopened() if key is not None:
                singles = self._around.setdefault(key, Around()).singles
                singles[verdict.subject] = Single(member_of(verdict), verdict.at)
            case CalledOff() if verdict.cause is Cause.FEW_LEFT and key is not None:
                self._looks_again(key, verdict)
            case _:
                pass
        if verdict.cause in ENDING:
            self._recovers(verdict)

    def _recovers(self, verdict: Verdict) -> None:
        key = (verdict.org, verdict.subject)
        self._former.recovers(verdict)
        self._afresh.discard(key)
        for (org, _), around in self._around.items():
            if org == verdict.org:
                around.singles.pop(verdict.subject, None)
        if (belongs := self._belongs.get(key)) is not None:
            self._leaves(verdict, belongs)
            self._belongs[key] = replace(belongs, recovered=True)
            self._recovered[key] = (belongs, verdict)

    def _joins(self, verdict: Verdict, member: Member, parent: Parent) -> None:
        key, belongs = (verdict.org, member.subject), Belongs(member, parent)
        before = self._belongs.get(key)
        if before is not None:
            self._leaves(verdict, before)
        if (recovered := self._recovered.pop(key, None)) is not None:
            self._former.has_recovered(key, *recovered)
        self._former.joins(key, parent, before)
        self._counts(verdict, member, parent, 1)
        self._belongs[key] = belongs
        self._joining[key] = (belongs, verdict)

    def _leaves(self, verdict: Verdict, belongs: Belongs) -> None:
        if not belongs.recovered:
            self._counts(verdict, belongs.member, belongs.parent, -1)

    def _counts(self, verdict: Verdict, member: Member, parent: Parent, by: int) -> None:
        """So many more are down on a list about many: since this verdict they are many, or few."""
        if parent.condition != MANY:
            return
        key = (verdict.org, parent.subject)
        self._down[key] = self._down.get(key, 0) + by
        if by > 0 and self._silencing.may_silence((verdict.org, member.subject)):
            self._may_be_silenced.setdefault(key, set()).add(member.subject)
        elif key in self._may_be_silenced:
            self._may_be_silenced[key].discard(member.subject)
        if self._down_at(key, verdict.at) >= self._rules(key, verdict)[0]:
            self._few.pop(key, None)
            self._many.add(key)
        else:
            self._few.setdefault(key, verdict)

    def _looks_again(self, key: Key, verdict: Verdict) -> None:
        """With those that are about to fire they are many: unless the list alone has so many, by another policy than
        when it was few."""
        if self._down_at(key, verdict.at) < self._rules(key, verdict)[0]:
            self._few[key] = verdict

    async def list_again(self, connection: AsyncConnection) -> list[tuple[Verdict, Parent, Member]]:
        """Puts who is down on the list of their integration's own ticket on that about many devices, where there is one
        now. Answers with them, and with who is down on the list of a ticket that was refused and is asked for again;
        each with the verdict that asks."""
        again = [
            (verdict, parent, one.member)
            for verdict, parent in self._asked_again
            for one in await rollups.members(connection, verdict.org, parent.subject)
            if not one.recovered and one.parent.condition == parent.condition
        ]
        for verdict, parent in self._together:
            for one in await rollups.members(connection, verdict.org, parent.subject):
                key, belongs = (verdict.org, one.member.subject), replace(one, parent=parent)
                if not one.recovered and one.parent.condition != MANY and key not in self._joining:
                    again.append((verdict, parent, one.member))
                    self._counts(verdict, one.member, parent, 1)
                    self._belongs[key], self._joining[key] = belongs, (belongs, verdict)
        return again

    async def settle(self, connection: AsyncConnection) -> list[OwnCommand]:
        """Writes who is on whose list now. Answers with the commands that say so."""
        sent: list[OwnCommand] = []
        for verdict, parent in self._stays_open:
            members = await rollups.members(connection, verdict.org, parent.subject)
            if any(one.parent.condition == MANY for one in members):
                self._takes_over.append((verdict, parent))
        for verdict, parent in self._takes_over:
            sent += await self._take_over(connection, verdict, parent)
        for verdict, parent in (*self._asked_again, *self._comes_back):
            if parent.condition == MANY:
                sent += await self._list_all(connection, verdict, parent)
        if self._joining:
            joining = [(org, one, verdict.at) for (org, _), (one, verdict) in self._joining.items()]
            await rollups.join(connection, joining)
        if self._recovered:
            await rollups.recover(connection, {key: verdict.at for key, (_, verdict) in self._recovered.items()})
        await self._former.save(connection)
        return sent + self._listings()

    async def _take_over(self, connection: AsyncConnection, verdict: Verdict, parent: Parent) -> list[OwnCommand]:
        await self.list_ends.end_watches(connection, (verdict.org, parent.subject))
        sent = await self._list_all(connection, verdict, parent)
        if sent:
            await rollups.move(connection, verdict.org, parent)
        return sent

    async def _list_all(self, connection: AsyncConnection, verdict: Verdict, parent: Parent) -> list[OwnCommand]:
        """An integration's own takes in who is on any list of its; that about many may be another ticket when it comes
        back, and has those on its own."""
        members = await rollups.members(connection, verdict.org, parent.subject)
        listed = [one for one in members if parent.condition != MANY or one.parent.condition == MANY]
        return checklists(
            verdict.org,
            parent,
            add=[one.member for one in listed],
            recovered=[one.member for one in listed if one.recovered],
            at=verdict.at,
            caused_by=uuid5(verdict.id, "takes over"),
        )

    def _listings(self) -> list[OwnCommand]:
        """One command per list and batch: what came to it, and what of it has recovered by the end of the batch. First
        where they have left: that ticket may be the one that comes back."""
        add: defaultdict[tuple[str, Parent], list[Member]] = defaultdict(list)
        recovered: defaultdict[tuple[str, Parent], list[Member]] = defaultdict(list)
        last: dict[tuple[str, Parent], Verdict] = {}
        for (key, parent), verdict in self._former.ticked.items():
            if key not in self._recovered or parent != _list_of(self._recovered[key][0]):
                recovered[key[0], parent].append(member_of(verdict))
                last[key[0], parent] = verdict
        for changes, lists in ((self._joining, add), (self._recovered, recovered)):
            for (org, _), (belongs, verdict) in changes.items():
                lists[org, _list_of(belongs)].append(belongs.member)
                last[org, _list_of(belongs)] = verdict
        return [
            command
            for where, verdict in last.items()
            for command in checklists(
                *where, add=add[where], recovered=recovered[where], at=verdict.at, caused_by=verdict.id
            )
        ]

    async def watch_lists(self, connection: AsyncConnection) -> None:
        """A list on which fewer are down than make many is looked at when that has lasted; more of them end the
        watch."""
        if self._many:
            await watches.end(connection, WatchKind.FEW_LEFT, self._many, of_many=True)
        if self._few:
            running = await watches.running(connection, WatchKind.FEW_LEFT, self._few)
            begin = {key: verdict for key, verdict in self._few.items() if key not in running}
            await self.list_ends.watch_few(connection, begin)


def _list_of(belongs: Belongs) -> Parent:
    return Parent(belongs.parent.subject, belongs.parent.condition)


def _as_judged_afresh(integration: str, spell: Spell, judging: Mapping[int, PolicyVersion]) -> Spell:
    """`judging` is by shard."""
    version = None if spell.fresh is None else judging.get(spell.fresh.shard)
    if spell.fresh is None or version is None:
        return spell
    rules = version.rules_for(spell.member.subject, integration, spell.fresh.model)
    timeout_ms = round(rules.timeout_for(spell.fresh.interval_s) * 1000)
    return replace(spell, since=max(spell.since, spell.fresh.since + timeout_ms))
