"""Rules broken about why there is or is not a ticket, and what would have decided otherwise."""

from tests.mutation import Mutant, Part

CHANGES = "domain/why/changes"
SEARCH = "domain/why/search"
LOG = "domain/why/subject_log"
TICKETS = "domain/why/tickets"
RECORD = "domain/why/record"
PICTURE = "domain/why/picture"
SENTENCES = "domain/why/sentences"
NEWCOMERS = "domain/why/newcomers"
WHY_ANSWER = "correlator/why"

WHY = (
    Part(
        ("why_smallest", "why_changes"),
        (
            Mutant(CHANGES, "abs(self.wanted - self.present) / max(self.present, 1)",
                   "abs(self.wanted - self.present)"),
            Mutant(CHANGES, "before = own[-1] if own else Override(match=Match(subject=subject))",
                   "before = Override(match=Match(subject=subject))"),
            Mutant(CHANGES, "override.match.subject != subject)", "False)"),
            Mutant(CHANGES, "if each.id != silence.id)", ")"),
            Mutant(CHANGES, "case.log.at + 1 - asked.at", "case.log.at - asked.at"),
            Mutant(CHANGES, "low = max(low, ceil(interval_s or 0), ", "low = max(low, "),
            Mutant(CHANGES, ", case.known.bounds.timeout_from_s)", ")"),
            Mutant(CHANGES, "        high = min(high, case.known.bounds.open_debounce_to_s)\n", "        pass\n"),
            Mutant(CHANGES, "ceil(present + reach) - 1)", "ceil(present + reach) - 2)"),
            Mutant(CHANGES, "return ms / 1000 if ms % 1000 else ms // 1000", "return ms // 1000"),
            Mutant(CHANGES, "isinstance(change, NumberChange)), default=inf)", "True), default=inf)"),
            Mutant(CHANGES, "            known = replace(known, switches=_switched(known, enabled=wanted))\n", ""),
            Mutant(CHANGES, "with_fields(policy, enabled=wanted)", "policy"),
            Mutant(CHANGES, "key=lambda change: change.size", "key=lambda change: -change.size"),
            Mutant(CHANGES, "if len(held) > 1:", "if False:"),
            Mutant(CHANGES, "early=any(", "early=not any("),
            Mutant(CHANGES, "told if told.ticket else as_it_would_be(case, change)[1]",
                   "as_it_would_be(case, change)[1]"),
            Mutant(CHANGES, "told if told.ticket else as_it_would_be(case, change)[1]", "told"),
            Mutant(CHANGES, "max(case.log.versions, default=0)", "min(case.log.versions, default=0)"),
            # search.py
            Mutant(SEARCH, "(abs(value - present), -value))", "(abs(value - present), value))"),
            Mutant(SEARCH, "    start = min(max(start, low), high)\n", ""),
            Mutant(SEARCH, "abs(value - present)", "abs(value - start)"),
            Mutant(SEARCH, " and not tried(farther).turned:", ":"),
            Mutant(SEARCH, "if self.records < records:", "if False:"),
            Mutant(SEARCH, "        farther = end\n", "        return None\n"),
            Mutant(SEARCH, "before, distance = distance, distance * 2",
                   "before, distance = distance + 1, distance * 2"),
        ),
    ),
    Part(
        ("why_told", "why_subject_log", "why_changes"),
        (
            # subject_log.py: what matters to one subject
            Mutant(LOG, "not 0 <= timestamp - self._last <= STEP_MAX_MS", "timestamp - self._last > STEP_MAX_MS"),
            Mutant(LOG, "if control.number <= self._number:", "if False:"),
            Mutant(LOG, "statement.org != self._org:", "False:"),
            Mutant(LOG, "control.key.encode() != self._key:", "False:"),
            Mutant(LOG, "            shard.judge.run_timers()\n", ""),
            Mutant(LOG, " or (self.record, timestamp) in self._gaps:", ":"),
            Mutant(LOG, "{0: saved.flaps[row]} if row in saved.flaps else {}", "{}"),
            Mutant(LOG, "{0: saved.turned[row]} if row in saved.turned else {}", "{}"),
            Mutant(LOG, "        self._gaps.add((self._last, timestamp))\n", ""),
            Mutant(LOG, "            self._keep(self._passed_over)\n        if at >",
                   "            pass\n        if at >"),
        ),
    ),
    Part(
        ("why_told",),
        (
            # tickets.py: what the correlator would decide
            Mutant(TICKETS, "if change.at >= at:", "if change.at > at:"),
            Mutant(TICKETS, "if _state_before(due, known, each.at) in FAILING)", ")"),
            Mutant(TICKETS, "max(found, key=lambda", "min(found, key=lambda"),
            Mutant(TICKETS, "found.setdefault(verdict.id, verdict)", "found[silence.id] = verdict"),
            Mutant(TICKETS, "if occurrence.end <= until]", "if occurrence.end < until]"),
        ),
    ),
    Part(
        ("why_told", "why_sentences"),
        (
            Mutant(RECORD, "own[ends[-1] + 1 :]", "own[ends[0] + 1 :]"),
            Mutant(RECORD, "before or each.outcome in _TICKETS) and each.cause not in _ENDS",
                   "before or each.outcome in _TICKETS)"),
            Mutant(RECORD, "has and each.cause not in WITHOUT", "has"),
            Mutant(RECORD, "Cause.STILL_UNHEALTHY, Cause.LEFT_OVER, Cause.JUDGED_AFRESH}",
                   "Cause.STILL_UNHEALTHY, Cause.JUDGED_AFRESH}"),
            Mutant(RECORD, "Cause.STILL_UNHEALTHY, Cause.LEFT_OVER, Cause.JUDGED_AFRESH}",
                   "Cause.STILL_UNHEALTHY, Cause.LEFT_OVER}"),
            Mutant(TICKETS, "case _ if verdict.cause in WITHOUT:", "case _ if False:"),
            Mutant(RECORD, "if (each.condition == MANY) != (condition == MANY):", "if False:"),
            Mutant(RECORD, " and each.outcome != \"called_off\")", ")"),
            Mutant(RECORD, "                _, condition = about(each, \"\")\n", "                pass\n"),
            Mutant(RECORD, "        if each.at >= since:", "        if True:"),
            Mutant(RECORD, "            return each.outcome == \"resolved\"\n", "            return True\n"),
            Mutant(RECORD, "another = condition != each.condition and ", "another = "),
            Mutant(TICKETS, "(each.made_at or 0) <= at or", ""),
            Mutant(TICKETS, "(each.made_at or 0) <= at or", "(each.made_at or 0) < at or"),
            Mutant(TICKETS, " or verdict.id in known.silenced]", "]"),
            Mutant(TICKETS, "    after = max(after, silence.made_at or after)\n", ""),
            Mutant(SENTENCES, "    if now.removed_at is not None:", "    if False:"),
            Mutant(SENTENCES, " or now.ignored.get(\"unknown_org\"):", ":"),
            Mutant(SENTENCES, "    if begun_anew:", "    if False:"),
            Mutant(SENTENCES, "began\" if begun_anew else", "began\" if False else"),
            Mutant(SENTENCES, "    if now.shared_until is not None:", "    if False:"),
            Mutant(RECORD, "each.evidence.get(\"offset\", offset) <= offset]",
                   "each.evidence.get(\"offset\", offset) < offset]"),
            Mutant(RECORD, "if each.at > after and", "if"),
            Mutant(RECORD, "each.cause in OPENING - _OF_CHANGES_OR_SILENCES", "each.cause in OPENING"),
            Mutant(RECORD, "each.condition != MANY and", ""),
            Mutant(PICTURE, "judge.clock.said + due - judge.clock.now", "due"),
            Mutant(PICTURE, "by_silence or state not in _BY_STATE", "state not in _BY_STATE"),
            Mutant(SENTENCES, "_without(now) if picture.state != \"healthy\" else None", "_without(now)"),
        ),
    ),
    Part(
        ("why_then",),
        (
            Mutant(NEWCOMERS, "(known.removed_at or 0) <= known.since <= log.at", "known.since <= log.at"),
            Mutant(NEWCOMERS, "(known.removed_at or 0) <= known.since <= log.at", "True"),
            Mutant(NEWCOMERS, "if log.sent and (known.by_now or known.came_up) else None", ""),
            Mutant(NEWCOMERS, "known.by_now or known.came_up", "known.by_now"),
            Mutant(NEWCOMERS, "    if log.key in judged.shard.judge.subjects.rows:", "    if False:"),
            Mutant(NEWCOMERS, "return log.listed or by_now", "return by_now"),
            Mutant(WHY_ANSWER, "version.rules_for(log.subject, profile.integration, profile.model)",
                   "version.rules_for(log.subject, None, None)"),
        ),
    ),
)  # fmt: skip
