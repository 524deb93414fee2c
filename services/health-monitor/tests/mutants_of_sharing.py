"""Rules broken about which devices share a ticket, and how such a ticket ends."""

from tests.mutation import Mutant, Part

ROLLUPS = "domain/correlator/rollups"
SHARING = "correlator/sharing"
ENDS = "correlator/list_ends"

SHARED_TICKETS = (
    Part(
        ("correlator_shared_decisions", "shared_edges", "correlator_rollups", "shared_tickets_in_order"),
        (
            # rollups.py: who counts
            Mutant(ROLLUPS, "self.since <= at and", "self.since < at and"),
            Mutant(ROLLUPS, "or at < self.until)", "or at <= self.until)"),
            Mutant(ROLLUPS, "at - self.window_ms < max(", "at - self.window_ms <= max("),
            Mutant(ROLLUPS, "max(spell.since, spell.down_from)", "spell.since"),
            Mutant(ROLLUPS, "at - self.window_ms < single.opened_at <= at", "at - self.window_ms <= single.opened_at"),
            Mutant(ROLLUPS, "< single.opened_at <= at]", "< single.opened_at < at]"),
            Mutant(ROLLUPS, "< group.threshold:", "<= group.threshold:"),
            Mutant(ROLLUPS, "{verdict.subject, *(member.subject for", "{*(member.subject for"),
            Mutant(ROLLUPS, "for single in group.singles if single.member.subject in failing)",
                   "for single in group.singles)"),
            # rollups.py: what they share
            Mutant(ROLLUPS, "sorted((name == MANY, name)", "sorted((name != MANY, name)"),
            Mutant(ROLLUPS, "in self.tickets.items() if incident.will_be_open)",
                   "in self.tickets.items() if incident.surely_open)"),
            Mutant(ROLLUPS, "    if group.undecided:\n        return Waits()\n", ""),
            Mutant(ROLLUPS, "(member_of(verdict), *singles), singles)", "(member_of(verdict),), singles)"),
            Mutant(ROLLUPS, "MANY in self.tickets and self.tickets[MANY].will_be_open", "MANY in self.tickets"),
        ),
    ),
    Part(
        ("shared_edges", "correlator_rollup_ends", "correlator_rollups", "shared_tickets_in_order"),
        (
            # sharing.py: what is known before, what follows after
            Mutant(SHARING, "since=max(spell.since, spell.fresh.since + timeout_ms)", "since=spell.since"),
            Mutant(SHARING, "verdict.cause is not Cause.JUDGED_AFRESH and", ""),
            Mutant(SHARING, "self._down[key] >= self._rules(key, verdict)[0]",
                   "self._down[key] > self._rules(key, verdict)[0]"),
            Mutant(SHARING, "if not belongs.recovered:", "if True:"),
            Mutant(SHARING, "(*around.singles, single)", "around.singles"),
            Mutant(SHARING, " + self._pending.get(key, 0)", ""),
            Mutant(SHARING, "if verdict.condition != MANY:\n                    self._takes_over",
                   "if False:\n                    self._takes_over"),
            Mutant(SHARING, "        self._recovered.pop(key, None)\n", ""),
            # list_ends.py
            Mutant(ENDS, "in (WatchKind.FEW_LEFT, WatchKind.EARLY_RESOLVE):", "in (WatchKind.FEW_LEFT,):"),
            Mutant(ENDS, "in (WatchKind.FEW_LEFT, WatchKind.EARLY_RESOLVE):", "in (WatchKind.EARLY_RESOLVE,):"),
            Mutant(ENDS, " for one in now if one.state != HealthState.PENDING_RESOLVE]", " for one in now]"),
            Mutant(ENDS, "(timeout_s + rules.open_debounce_s)", "timeout_s"),
            Mutant(ENDS, "                    await rollups.dissolve(connection, *key, of_many=False)\n", ""),
            Mutant(ENDS, "                    await self.watch_few(connection, {key: verdict})\n", ""),
            Mutant(ENDS, "                case Cause.STILL_UNHEALTHY, AlreadyOpen():\n                    pass\n", ""),
            Mutant(ENDS, "        if not of_many:\n", "        if False:\n"),
            Mutant(ENDS, "clock.back_at(at) for", "clock for"),
            Mutant(ENDS, "rules.resolve_debounce_s * 1000", "rules.open_debounce_s * 2000"),
        ),
    ),
)  # fmt: skip
