"""Rules broken about when a verdict is called for, when it is decided, and what comes of it."""

from tests.mutation import Mutant, Part

DECIDE = "domain/correlator/decide"
INCIDENT = "domain/correlator/incident"
VERDICTS = "domain/correlator/verdicts"
CLOCKS = "domain/correlator/clocks"
EARLY = "domain/correlator/early_resolve"
POLICIES = "domain/correlator/policies"
WATCHES = "domain/correlator/watches"
EFFECTS = "correlator/policy_effects"
BOOKS = "adapters/correlator/books"
CHANGES = "correlator/changes"
DECIDING = "correlator/deciding"
JUDGEMENTS = "correlator/judgements"
RETIMING = "correlator/retiming"
LAST_SEEN = "adapters/correlator/last_seen"

DECISIONS = (
    Part(
        ("correlator_decide", "correlator_shared_decisions", "correlator_silence_decisions"),
        (
            # what keeps a ticket from being asked for, and in which order
            Mutant(DECIDE, "if facts.org_deleted:", "if False:"),
            Mutant(DECIDE, "if not facts.switches.enabled:", "if False:"),
            Mutant(DECIDE, "if not facts.switches.publish_tickets:", "if False:"),
            Mutant(DECIDE, "is not None and incident.surely_open", "is not None"),
            Mutant(DECIDE, "incident.surely_open:", "incident.surely_open and facts.silenced is None:"),
            Mutant(DECIDE, "facts.silenced is not None and verdict.condition != MANY", "facts.silenced is not None"),
            Mutant(DECIDE, "    if facts.afresh:", "    if False:"),
            # shared tickets
            Mutant(DECIDE, "group.down < group.threshold:", "group.down <= group.threshold:"),
            Mutant(DECIDE, "facts.group.down >= facts.group.threshold", "facts.group.down > facts.group.threshold"),
            Mutant(DECIDE, "if many.maybe_open else", "if many.surely_open else"),
            Mutant(DECIDE, "takes_over=group.has_many", "takes_over=False"),
            Mutant(DECIDE, "merges=merges, ", ""),
            Mutant(DECIDE, "merges = () if asked else tuple(", "merges = tuple("),
            Mutant(DECIDE, "MANY) and group.parent is None", "MANY)"),
            Mutant(DECIDE, "_after(verdict) == Parent(group.subject, MANY) and", ""),
            Mutant(DECIDE, "if verdict.subject == facts.group.subject:", "if False:"),
            Mutant(DECIDE, "verdict.cause.value, after=_after(verdict))", "verdict.cause.value)"),
            # what else ends, and what is said of it
            Mutant(DECIDE, "name not in (verdict.condition, MANY)", "name != verdict.condition"),
            Mutant(DECIDE, "name not in (verdict.condition, MANY)", "name != MANY"),
            Mutant(DECIDE, "and other.maybe_open", "and other.surely_open"),
            Mutant(DECIDE, "name != MANY and incident.maybe_open", "incident.maybe_open"),
            Mutant(DECIDE, "name != MANY and incident.maybe_open", "name != MANY and incident.surely_open"),
            Mutant(DECIDE, "Resolution.REMOVED", "Resolution.RECOVERED"),
            Mutant(DECIDE, "supersedes=superseded, held", "held"),
            Mutant(DECIDE, "AlreadyOpen(number, _superseded(verdict, facts), takes_over)", "AlreadyOpen(number)"),
            Mutant(DECIDE, "if verdict.cause not in SUPERSEDING:", "if False:"),
            Mutant(DECIDE, "group.subject == verdict.subject and group.has_many", "group.has_many"),
            Mutant(DECIDE, "group.subject == verdict.subject and group.has_many", "group.subject == verdict.subject"),
            Mutant(DECIDE, "held_back=held_back", "held_back=None"),
        ),
    ),
    Part(
        ("correlator_incident", "correlator_decide"),
        (
            Mutant(INCIDENT, "self.asked is None or self.asked.verb == \"open\")", "True)"),
            Mutant(INCIDENT, "all(one.number < ticket.number for one", "all(one.version < ticket.version for one"),
            Mutant(INCIDENT, "elif ticket.version <= before.version:", "elif False:"),
            Mutant(INCIDENT, "if not (may_be_back and ticket.unresolved):", "if not ticket.unresolved:"),
            Mutant(INCIDENT, "if not (may_be_back and ticket.unresolved):", "if not may_be_back:"),
            Mutant(INCIDENT, " and answered.verb == \"open\")", ")"),
            Mutant(INCIDENT, "(one.unresolved, one.number), reverse", "one.number, reverse"),
            Mutant(INCIDENT, "ticket=ticket, others=())", "ticket=ticket)"),
            Mutant(INCIDENT, "others=tuple(others))", "others=())"),
            Mutant(INCIDENT, "self.asked.command == answering", "True"),
            Mutant(INCIDENT, "opened_at=at if opens else self.opened_at", "opened_at=at"),
            Mutant(INCIDENT, " and not self.will_be_open\n", "\n"),
            Mutant(VERDICTS, "and change.from_state not in LEAVING_UNHEALTH", ""),
        ),
    ),
    Part(
        ("losses_edges", "correlator_decide"),
        (Mutant(VERDICTS, "LEAVING_UNHEALTH | {HealthState.FIRING}", "LEAVING_UNHEALTH"),),
    ),
    Part(
        ("correlator_clocks",),
        (
            Mutant(CLOCKS, "patience.wait_ms) + 1)", "patience.wait_ms))"),
            Mutant(CLOCKS, "< patience.stalled_ms]", "<= patience.stalled_ms]"),
            Mutant(CLOCKS, "fastest.clock - fastest.back_at(clock.at).clock", "fastest.at - clock.at"),
            Mutant(CLOCKS, "if clock.at <= at)", "if clock.at < at)"),
            Mutant(CLOCKS, "if len(reached) >= shards", "if reached"),
            Mutant(CLOCKS, "min(at - end, STEP_MAX_MS)", "at - end"),
            Mutant(CLOCKS, "if shown > resumed:", "if shown >= resumed:"),
            Mutant(CLOCKS, "if hole.from_at + STEP_MAX_MS <= self.at)", "if hole.from_at <= self.at)"),
            Mutant(CLOCKS, "min(hole.to_at, self.at)", "hole.to_at"),
        ),
    ),
    Part(("correlator_marks",), (Mutant("domain/correlator/marks", "or mark > known", "or mark >= known"),)),
    Part(
        ("correlator_early_resolve", "correlator_people"),
        (
            Mutant(EARLY, " or incident.ticket.unresolved:", ":"),
            Mutant(EARLY, "if event.ticket.id not in known or ", "if "),
            Mutant(EARLY, "latest=event.ticket.id == known[-1]", "latest=True"),
            Mutant(EARLY, " or standing.condition != condition:", ":"),
            Mutant(EARLY, "if not standing.switches.publish_tickets:", "if False:"),
            Mutant(EARLY, "runs=standing.switches.enabled,", "runs=True,"),
            Mutant(WATCHES, "shard.forward_to(since_at)", "shard"),
            Mutant(WATCHES, "            due_clock=start.clock + lasting_ms,\n",
                   "            due_clock=shard.clock + lasting_ms,\n"),
        ),
    ),
    Part(
        ("correlator_switched_off",),
        (
            Mutant(CHANGES, "        runs=judged,\n", ""),
            Mutant(RETIMING, "(rules.timeout_for(one.interval_s) + rules.resolve_", "(rules.resolve_"),
        ),
    ),
    Part(
        ("correlator_people",),
        (
            Mutant(CHANGES, "return self.well or self.change.to_state == self.change.from_state", "return self.well"),
            Mutant(CHANGES, "if clock is None or clock.generation != change.generation:", "if clock is None:"),
        ),
    ),
    Part(
        ("correlator_anew_late", "incident_rows"),
        (
            Mutant(CHANGES, "left_open(connection, since) | held_back", "left_open(connection, since)"),
            Mutant("adapters/correlator/incidents", " AND at <= until\n", "\n"),
            Mutant("adapters/correlator/incidents", "AND verdict.at BETWEEN last.at AND until", "AND false"),
            Mutant("adapters/correlator/incidents", "('silenced', 'unpublished', 'refused')",
                   "('silenced', 'unpublished')"),
            Mutant("adapters/correlator/incidents", " OR (anew AND kind = 'judged_afresh')", ""),
            Mutant("adapters/correlator/watches", "if each.watch not in calling]", "if False]"),
            Mutant(JUDGEMENTS, "return well.keys() - ran_out", "return set(well)"),
            Mutant(CHANGES, "if (first := next(lasted, None)) is not None:", "if False:"),
            Mutant(JUDGEMENTS, "or _about(each.watch) not in without)", "or True)"),
        ),
    ),
    Part(
        ("correlator_last_seen",),
        (Mutant(LAST_SEEN, "ORDER BY outcome.at DESC LIMIT 1", "ORDER BY outcome.at LIMIT 1"),),
    ),
    Part(
        ("correlator_watches",),
        (
            Mutant(WATCHES, "max(watch.start_clock + lasting_ms, now.clock)", "watch.start_clock + lasting_ms"),
            Mutant(WATCHES, "max(watch.start_clock + lasting_ms, now.clock)", "now.clock + lasting_ms"),
            Mutant(WATCHES, "return self if self.due_clock <= now.clock else replace", "return replace"),
            Mutant(WATCHES, "if self.kind is WatchKind.JUDGED_AFRESH:\n            hole", "if True:\n            hole"),
            Mutant(WATCHES, " or hole\n", "\n"),
            Mutant(WATCHES, "self.start_clock <= clock.back_at", "self.start_clock > clock.back_at"),
            Mutant(WATCHES, "self.start_clock <= clock.back_at(hole.to_at).clock", "False"),
            Mutant(WATCHES, "replace(self, due_clock=self.start_clock + lasting_ms)", "self"),
            Mutant(WATCHES, "if watch.due_clock <= now.clock:", "if watch.due_clock < now.clock:"),
            Mutant(WATCHES, "if not self.stands_still:", "if False:"),
            Mutant(WATCHES, "if not until.lasting_ms:", "if False:"),
        ),
    ),
    Part(
        ("correlator_policies",),
        (
            Mutant(POLICIES, "seen is not None and seen != present.version", "False"),
            Mutant(POLICIES, " and not publish_existing:", ":"),
            Mutant(POLICIES, "present.version + 1", "present.version"),
            Mutant(POLICIES, "    if not told:\n        return None\n", ""),
        ),
    ),
    Part(
        ("correlator_fresh_times",),
        (
            Mutant(EFFECTS, "    if before is not None and not before.policy.enabled:", "    if False:"),
            Mutant(EFFECTS, "if not version.policy.enabled:", "if False:"),
        ),
    ),
    Part(
        ("correlator_books",),
        (
            Mutant(BOOKS, "sum(called) = 1 AND", ""),
            Mutant(BOOKS, "AND sum(ended) = 1", ""),
            Mutant(BOOKS, "SELECT verdict FROM ended EXCEPT", "SELECT verdict FROM ended WHERE false EXCEPT"),
            Mutant(BOOKS, "WHERE calls AND at >= :since", "WHERE at >= :since"),
        ),
    ),
    # what is counted, and when
    Part(
        ("correlator_counted",),
        (
            Mutant(DECIDING, "work.after_commit(COMMANDS.labels(command.verb.value).inc)",
                   "COMMANDS.labels(command.verb.value).inc()"),
            Mutant(JUDGEMENTS, "work.after_commit(partial(count_received, reach.fresh))",
                   "count_received(reach.fresh)"),
        ),
    ),
    # what runs by the clock of a shard that stands still
    Part(
        ("correlator_standing_shards",),
        (
            Mutant("adapters/correlator/progress", "AND NOT (stalled AND CAST(", "AND NOT (false AND CAST("),
            Mutant(JUDGEMENTS, "if horizon.stalled]", "if False]"),
            Mutant(EFFECTS, "after=foremost, version", "after=said.version, version"),
            Mutant("adapters/correlator/standing_shards", "OR kind = 'left_alone'", ""),
            Mutant("adapters/correlator/standing_shards", "OR kind = 'early_resolve' AND", "OR false AND"),
            Mutant(WATCHES, "(now if self.stands_still else now.back_at(self.start_at))", "now"),
            Mutant(WATCHES, "max(start.clock + lasting_ms, now.clock)", "start.clock + lasting_ms"),
            Mutant(WATCHES, "generation=now.generation if runs else NOT_RUNNING", "generation=now.generation"),
        ),
    ),
)  # fmt: skip
