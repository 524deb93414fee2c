"""Rules broken about the registry: how a file for it is read, and what a shard is told that starts anew."""

from tests.mutation import Mutant, Part

LINES = "domain/correlator/import_lines"
REGISTRATION = "domain/correlator/registration"
REGISTRY = "correlator/registry"
ROWS = "adapters/correlator/registry"
ROUTE = "entrypoints/correlator/import_routes"
GREETING = "correlator/greeting"
CONTROLS = "adapters/correlator/control_log"
ACKNOWLEDGEMENT = "adapters/correlator/acknowledgement"
POLICIES = "adapters/correlator/policies"
PROGRESS = "adapters/correlator/progress"
SILENCES = "adapters/correlator/silences"

REGISTERED = (
    Part(
        ("correlator_put_back",),
        (
            Mutant(CONTROLS,
                   "greatest(number, floor(1000 * extract(epoch FROM clock_timestamp()))::bigint)", "number"),
        ),
    ),
    Part(
        ("import_lines",),
        (
            Mutant(LINES, "line = line.removeprefix(_BYTE_ORDER_MARK)", "pass"),
            Mutant(LINES, "        if not line.strip():\n            return None\n", ""),
            Mutant(LINES, "if first != number:", "if False:"),
            Mutant(LINES, "self._seen.setdefault(subject, number)", "self._seen.setdefault(subject, 2)"),
            Mutant(LINES, "if name in columns[:place]:", "if False:"),
            Mutant(LINES, "        if name not in columns:\n            raise", "        if False:\n            raise"),
            Mutant(LINES, "if len(cells) != len(columns):", "if len(cells) > len(columns):"),
            Mutant(LINES, "strict=True) if cell}", "strict=True)}"),
            Mutant(LINES, "if name not in FIELDS), None)", "if False), None)"),
            Mutant(LINES, "value if isinstance(value, dict) else", "value if True else"),
            Mutant(LINES, "kind not in HEARTBEAT_TYPES:", "False:"),
        ),
    ),
    Part(
        ("registration",),
        (
            Mutant(REGISTRATION, "said.integration or present.heard.integration", "said.integration"),
            Mutant(REGISTRATION, "said.model or present.heard.model", "said.model"),
            Mutant(REGISTRATION, "said.interval_s > rules.timeout_s", "said.interval_s >= rules.timeout_s"),
            Mutant(REGISTRATION, "at_most(SPACE_MAX_CHARACTERS)", "at_most(TEXT_MAX_CHARACTERS)"),
        ),
    ),
    Part(
        ("correlator_import",),
        (
            Mutant(ROUTE, ".strip().lower()", ".strip()"),
            Mutant(ROUTE, "if lines > IMPORT_MAX_LINES:", "if lines >= IMPORT_MAX_LINES:"),
            Mutant(ROUTE, "entries, by=by, dry_run=dry_run)", "entries, by=by)"),
            Mutant(ROUTE, "    if not dry_run:\n        done", "    if True:\n        done"),
            Mutant(ROUTE, "    if not dry_run:\n        for", "    if True:\n        for"),
            Mutant(ROUTE, "counts.total()", "sum(counts[each] for each in Entering)"),
            Mutant(REGISTRY, "if news and not dry_run:", "if news:"),
            Mutant(REGISTRY, "statement, number + place)", "statement, number)"),
            Mutant(ROWS, "_registration(row) if row.registered else None", "_registration(row)"),
        ),
    ),
    Part(
        ("correlator_acknowledged",),
        (
            Mutant(ACKNOWLEDGEMENT, "if not await connection.scalar(_WAITS, row):", "if True:"),
            Mutant(ACKNOWLEDGEMENT, "AND key = CAST(:key AS bytea)", "AND (key = CAST(:key AS bytea)) IS NOT NULL"),
            Mutant(ACKNOWLEDGEMENT, "f\"{org}/\".encode()", "org.encode()"),
        ),
    ),
    Part(
        ("correlator_lock_order",),
        (
            Mutant(POLICIES, "    ORDER BY told.org\n", ""),
            Mutant("correlator/judgements", "concerned | news.written_of", "concerned"),
            Mutant("correlator/news", " | {each.org for each in self.unwatched}", ""),
            Mutant("correlator/news", "{each.org for each in self.profiles} | ", ""),
            Mutant(PROGRESS, "ORDER BY gap.shard, from_at FOR UPDATE OF gap", "FOR UPDATE OF gap"),
        ),
    ),
    Part(
        ("correlator_registry::test_what_was_said_before_a_removal_counts_for_no_entry_behind_it",),
        (
            Mutant(ROWS, "CASE WHEN NOT removed THEN heard_model END AS heard_model", "heard_model"),
            Mutant(ROWS, "CASE WHEN NOT removed THEN heard_interval_s END AS heard_interval_s", "heard_interval_s"),
        ),
    ),
    Part(
        ("correlator_waiting::test_what_waits_about_who_is_removed_opens_nothing_behind_that",),
        (Mutant(REGISTRY, "for_clocks=True)", "for_clocks=False)"),),
    ),
    Part(
        ("correlator_waiting::test_the_end_of_a_silence_opens_nothing_for_who_was_removed_before_it",),
        (Mutant(SILENCES, "CASE cause WHEN 'forgotten' THEN past.at ELSE until_at END", "until_at"),),
    ),
    Part(
        ("correlator_silence_api::test_a_deleted_org_has_nothing_to_silence",),
        (Mutant(REGISTRY, "or known.deleted or", "or"),),
    ),
    # greeting.py, control_log.py: what a shard is told
    Part(
        ("correlator_controls",),
        (
            Mutant(GREETING, "for hello in ours:", "for hello in hellos:"),
            Mutant(GREETING, "connection)\n        versions = await policies.all_newest(connection)",
                   "connection, len(versions := await policies.all_newest(connection)))"),
            Mutant(GREETING, "statement(entry.heard)", "statement()"),
            Mutant(REGISTRY, "present.get(str(subject), Present()).left_open", "None"),
            Mutant(REGISTRATION, "None if self.registration is None else self.heard", "self.heard"),
            Mutant(ROWS, "shard = :shard AND registered", "registered"),
            Mutant(CONTROLS, "key=key_bytes, number=number,", "key=key_bytes, number=0,"),
            Mutant(CONTROLS, "topic=self._topic,", "topic=HEARTBEATS,"),
            Mutant(CONTROLS, "partition=shard, key=key_bytes, number", "partition=0, key=key_bytes, number"),
        ),
    ),
    Part(
        ("correlator_controls::test_no_number_is_given_twice",),
        (
            Mutant(GREETING, "len(versions) + len(subjects)", "len(subjects)"),
            Mutant(GREETING, "len(versions) + len(subjects)", "len(versions)"),
            Mutant(CONTROLS, "return last - count + 1", "return last"),
        ),
    ),
    Part(
        ("correlator_controls::test_a_shard_that_starts_anew_is_told_nobody_of_another_shard_or_of_an_org_that_is_gone",),
        (
            Mutant(ROWS, "shard AND registered AND NOT deleted", "shard AND registered"),
            Mutant(ROWS, "NOT removed AND NOT deleted", "NOT removed"),
            Mutant(ROWS, "shard = :shard AND state", "state"),
            Mutant(ROWS, "shard = :shard AND removed", "removed"),
            Mutant(ROWS, "shard AND removed AND NOT deleted", "shard AND removed"),
        ),
    ),
    Part(
        ("correlator_lost_removals",),
        (
            Mutant(ROWS, "removed = true", "removed = false"),
            Mutant(ROWS, "NOT registered AND NOT removed", "NOT registered"),
            Mutant(ROWS, "CASE WHEN NOT removed THEN heard_integration END AS heard_integration", "heard_integration"),
            Mutant(GREETING, "(Register(), Forget())", "(Forget(),)"),
            Mutant("adapters/correlator/live", "removed = false,", ""),
        ),
    ),
)  # fmt: skip
