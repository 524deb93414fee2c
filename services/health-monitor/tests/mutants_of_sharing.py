"""Rules broken about which devices share a ticket, and how such a ticket ends."""

from tests.mutation import Mutant, Part

ROLLUPS = "domain/correlator/rollups"
SHARING = "correlator/sharing"
TICKETS = "correlator/tickets"
JOINING = "correlator/joining"
TIMED = "adapters/correlator/watches"
ENDS = "correlator/list_ends"
FORMER = "correlator/former_lists"
PLACES = "adapters/correlator/former_members"
UNWELL = "adapters/correlator/unwell"
TURNS = "correlator/judgements"
POLICIES = "adapters/correlator/policies"
INCIDENTS = "adapters/correlator/incidents"
SPELLS = "adapters/correlator/rollups"

SHARED_TICKETS = (
    Part(
        ("correlator_shared_decisions",),
        (
            # rollups.py: who counts
            Mutant(ROLLUPS, "self.from_at) <= at and", "self.from_at) < at and"),
            Mutant(ROLLUPS, "or at < self.until)", "or at <= self.until)"),
            Mutant(ROLLUPS, "at - self.window_ms < max(", "at - self.window_ms <= max("),
            Mutant(ROLLUPS, "max(spell.since, spell.down_from)", "spell.since"),
            Mutant(ROLLUPS, "at - self.window_ms < single.opened_at <= at", "at - self.window_ms <= single.opened_at"),
            Mutant(ROLLUPS, "< single.opened_at <= at]", "< single.opened_at < at]"),
            Mutant(ROLLUPS, "len(failing) < group.threshold:", "len(failing) <= group.threshold:"),
            Mutant(ROLLUPS, "if 1 + len(group.spells) <", "if len(group.spells) - 1 <"),
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
    # sharing.py: what is known before, what follows after
    Part(
        ("shared_tickets_in_order::test_those_judged_afresh_have_turned_when_their_fresh_timeout_ended",
         "shared_tickets_in_order::test_who_is_judged_afresh_counts_for_nobody_until_then"),
        (Mutant(SHARING, "since=max(spell.since, spell.fresh.since + timeout_ms)", "since=spell.since"),),
    ),
    Part(
        ("correlator_conditions_back", "correlator_few_by_others::test_an_integrations_ticket_that_came_back_by_hand"
         "_takes_over"),
        (
            Mutant(SHARING, ") and is_integration(verdict.subject):", ") and False:"),
            Mutant(SHARING, "conditions or takes_over\n", "conditions\n"),
        ),
    ),
    Part(
        ("correlator_in_one_turn",),
        (
            Mutant(SHARING, "        self._afresh.discard(key)\n", ""),
            Mutant(SHARING, "around.singles.pop(verdict.subject, None)", "pass"),
        ),
    ),
    Part(
        ("correlator_lists_left_alone",),
        (
            Mutant(TICKETS, "elif is_integration(subject):", "elif False:"),
            Mutant(TURNS, "is_integration(each.change.subject) and not each.well:", "False:"),
            Mutant(TURNS, "or _about(each.watch) in alone)", "or True)"),
            Mutant(JOINING, "standing.state in _OPEN_STILL or ", ""),
            Mutant(JOINING, "or not standing.switches.publish_tickets:", "or False:"),
            Mutant(SPELLS, "'open_refused', 'healthy_anew')", "'open_refused')"),
            Mutant(INCIDENTS, "FROM rollup_member WHERE recovered_at IS NULL)", "FROM rollup_member WHERE false)"),
            Mutant(ENDS, "case _, Silenced() if alone :=", "case _, Silenced() if False and"),
            Mutant(ENDS, "replace(verdict, condition=condition)", "verdict"),
            Mutant(TICKETS, "elif followed == \"healthy\" and is_integration(subject):", "elif False:"),
            Mutant(TIMED, "('healthy_anew', 'left_alone') THEN", "('healthy_anew') THEN"),
            Mutant(UNWELL, "AND parent <> 'integration/' || CAST(:integration AS text)", "AND false"),
        ),
    ),
    Part(
        ("correlator_few_by_others",),
        (
            Mutant(TICKETS, "        if own.condition == MANY:\n", "        if False:\n"),
            Mutant(TICKETS, "elif followed == \"healthy\" and condition == MANY:", "elif False:"),
            Mutant(JOINING, "if await watches.running(", "if not await watches.running("),
        ),
    ),
    Part(
        ("correlator_rollup_ends::test_after_the_integrations_recovery_each_member_is_judged_afresh",
         "shared_edges::test_a_device_fires_just_when_its_integrations_ticket_ends"),
        (
            Mutant(ENDS, "(timeout_s + rules.open_debounce_s)", "timeout_s"),
        ),
    ),
    Part(
        ("correlator_rollups::test_a_single_of_the_same_batch_is_merged_whatever_its_device_is_called",
         "correlator_rollups::test_the_integrations_ticket_takes_the_list_over"),
        (
            Mutant(SHARING, "if verdict.condition != MANY:\n                    self._takes_over",
                   "if False:\n                    self._takes_over"),
        ),
    ),
    Part(
        ("correlator_rollups::test_a_single_that_is_asked_for_once_more_is_merged_once",),
        (Mutant(SHARING, "singles[verdict.subject] = ", 'singles[f"{verdict.subject}!"] = '),),
    ),
    Part(
        ("shared_tickets_in_order::test_those_who_wait_are_down_as_well",
         "shared_edges::test_who_is_about_to_fire_just_when_few_have_lasted"),
        (
            Mutant(SHARING, " + self._pending.get(key, 0)", ""),
        ),
    ),
    # list_ends.py
    Part(
        ("shared_tickets_in_order::test_a_list_that_was_taken_over_is_not_looked_at_again",
         "shared_tickets_in_order::test_a_list_that_is_gone_is_not_looked_at_again",
         "shared_tickets_in_order::test_an_integrations_ticket_takes_over_from_one_that_somebody_has_just_resolved"),
        (
            Mutant(ENDS, "(WatchKind.FEW_LEFT, WatchKind.EARLY_RESOLVE, ", "(WatchKind.FEW_LEFT, "),
            Mutant(ENDS, "(WatchKind.FEW_LEFT, WatchKind.EARLY_RESOLVE, ", "(WatchKind.EARLY_RESOLVE, "),
        ),
    ),
    Part(
        ("correlator_rollup_ends::test_a_ticket_about_many_ends_when_few_are_down_for_the_resolve_debounce",
         "shared_tickets_in_order::test_many_that_are_left_over_from_an_integrations_ticket_share_another"),
        (
            Mutant(ENDS, "for one in now if one.state != HealthState.PENDING_RESOLVE]", "for one in now]"),
        ),
    ),
    Part(
        ("correlator_rollups::test_who_is_left_over_is_decided_by_the_policy_of_its_own_shard",),
        (Mutant(ENDS, "versions[one.shard].version if one.shard in versions else verdict", "verdict"),),
    ),
    Part(
        ("correlator_instants::test_few_are_left_from_the_recovery_that_made_them_few",),
        (Mutant(ENDS, "clock.beginning_at(at) for", "clock for"),),
    ),
    Part(
        ("shared_new_logs::"
         "test_who_failed_in_the_log_before_is_one_of_many_at_an_instant_before_the_new_one",),
        (Mutant(SPELLS, "\n           OR from_state IS NULL AND before.state IN ('pending_open', 'firing'))", ")"),),
    ),
    Part(
        ("shared_new_logs::test_who_has_a_ticket_of_its_own_is_not_about_to_join",),
        (Mutant(UNWELL, "stood.state = 'pending_open' AND {_WITHOUT_ITS_OWN}", "stood.state = 'pending_open'"),),
    ),
    # what runs by the clock of a log that has ended
    Part(
        ("correlator_ended_logs",),
        (
            Mutant("correlator/reach", "            parts.append([])\n        parts[-1]", "        parts[-1]"),
            Mutant("correlator/reach", "without_clock.remove(seen)\n            parts.append([])",
                   "without_clock.remove(seen)"),
            Mutant("correlator/reach", "if each.clock and each.clock.generation < each.mark[0]}", "if False}"),
            Mutant("domain/correlator/watches", "now.back_at(self.start_at), now.back_at(due_at)",
                   "now.back_at(self.start_at), now"),
            Mutant("adapters/correlator/unseen_timers", "    if not rows:", "    if True:"),
            Mutant("domain/correlator/clocks", "back_at(max(at, self.anew_at))", "back_at(at)"),
            Mutant("adapters/correlator/progress", "before.clock.anew_at if goes_on else clock.at", "clock.at"),
            Mutant("adapters/correlator/progress", "before.clock.anew_at if goes_on else clock.at", "0"),
        ),
    ),
    # a batch in parts
    Part(
        ("correlator_lock_order_in_parts",),
        (
            Mutant(TURNS, "            await policies.lock_all(work.connection)\n", ""),
            Mutant(TURNS, "            await progress.lock_gaps(work.connection)\n", ""),
        ),
    ),
    # where there is no resolve debounce
    Part(
        ("shared_at_once",),
        (
            Mutant(TURNS, "return [each for each in turn if each[1].at <= until]", "return list(turn)"),
            Mutant(TURNS, "if each.cause in ENDING or _moves(each, listed)", "if _moves(each, listed)"),
            Mutant(POLICIES, "'$.overrides[*].resolve_debounce_s", "'$.overrides[0].no_debounce_s"),
            Mutant(ENDS, "max(lasting_ms, LOOKED_AT_AGAIN_MS)", "lasting_ms + 2 * LOOKED_AT_AGAIN_MS"),
        ),
    ),
    # incidents.py: who still waits for an integration
    Part(
        ("shared_new_logs::"
         "test_who_waits_for_a_resolved_ticket_is_judged_afresh_where_its_integration_is_well_only_later",),
        (Mutant(INCIDENTS, "AND waits_for = asked.subject", "AND false"),),
    ),
    # former_lists.py: lists go on naming who has left them
    Part(
        ("correlator_rollup_ends::test_who_is_left_over_is_ticked_on_recovery_all_the_same",
         "correlator_rollup_ends::test_a_list_that_is_taken_over_goes_on_being_ticked_where_it_was",
         "correlator_rollup_ends::test_who_joins_again_is_down_on_the_list_and_no_former_member",
         "correlator_former_lists"),
        (
            Mutant(FORMER, "if before is not None and not before.recovered:", "if before is not None:"),
            Mutant(FORMER, "if before is not None and not before.recovered:", "if False:"),
            Mutant(SHARING, "if others := behind - subjects:", "if others := set():"),
            Mutant(SHARING, "                await self._former.load(connection, others)\n", ""),
            Mutant(FORMER, "        left.discard(joined)\n", ""),
            Mutant(FORMER, "        self.ticked.pop((key, joined), None)\n", ""),
            Mutant(FORMER, "self._now.pop(key, ())", "self._now.get(key, ())"),
            Mutant(FORMER, "            self.ticked[key, parent] = verdict\n", "            pass\n"),
            Mutant(SHARING, "            self._former.has_recovered(key, *recovered)\n", "            pass\n"),
            Mutant(FORMER, "if added := now - self._before:", "if False:"),
            Mutant(FORMER, "if gone := self._before - now:", "if False:"),
            Mutant(PLACES, "AND former_member.subject = named.subject\n", "\n"),
            Mutant(PLACES, "CASE WHEN NOT {IS_OPEN} THEN ticket END", "ticket"),
            Mutant(PLACES, "THEN {IS_OPEN} ELSE former_member.ticket = named.ticket END", "THEN {IS_OPEN} END"),
            Mutant(SHARING, "if key not in self._recovered or parent != _list_of", "if True or _list_of"),
        ),
    ),
    # who is left over from them where the org is off already
    Part(("correlator_left_over_while_off",), (Mutant(ENDS, "if not version.policy.enabled}", "if False}"),)),
    # what is told late
    Part(
        ("correlator_told_late",),
        (
            Mutant(ENDS, "if at > verdict.at and one not in afresh}", "if False}"),
            Mutant(ENDS, "max(verdict.at, at[one.subject]),", "verdict.at,"),
            Mutant(UNWELL, "AND cause IN ('recovered', 'forgotten') AND outcome.at > asked.at)", "AND false)"),
            Mutant("adapters/correlator/silences", "'forgotten', 'firing')", "'forgotten')"),
            Mutant("correlator/silencing", "if (key, occurrence.end) in self._over:", "if False:"),
            Mutant("adapters/correlator/silences", "cause = 'silence_ended' AND outcome.at > asked.at", "false"),
        ),
    ),
    # an integration's own ticket beside the one about many, and tickets that come again
    Part(
        ("correlator_two_lists",),
        (
            Mutant(SPELLS, "WHERE recovered_at IS NULL AND parent_condition = '{MANY}'", "WHERE recovered_at IS NULL"),
            Mutant(SHARING, "for verdict, parent in self._stays_open:", "for verdict, parent in ():"),
            Mutant(SHARING, "(*self._asked_again, *self._comes_back)", "self._asked_again"),
            Mutant(SHARING, "self._comes_back.append((verdict, outcome.parent))", "pass"),
            Mutant(TICKETS, "    if another:\n", "    if False:\n"),
            Mutant(PLACES, "WHERE recovered_at IS NULL AND joined_at < opened_at", "WHERE false"),
            Mutant(ENDS, "joined if joined >= verdict.at else verdict.at - 1", "verdict.at - 1"),
            Mutant(ROLLUPS, " if not single.is_well(at)]", "]"),
            Mutant(ROLLUPS, "if moved_at <= at), False)", "), False)"),
        ),
    ),
)  # fmt: skip
