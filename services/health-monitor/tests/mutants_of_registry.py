"""Rules broken about the registry: how a file for it is read, and what a shard is told that starts anew."""

from tests.mutation import Mutant, Part

LINES = "domain/correlator/import_lines"
ROWS = "adapters/correlator/registry"
GREETING = "correlator/greeting"
CONTROLS = "adapters/correlator/control_log"

REGISTERED = (
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
    # greeting.py, control_log.py: what a shard is told
    Part(
        ("correlator_controls",),
        (
            Mutant(GREETING, "self._now()):\n            return", "self._now()):\n            pass"),
            Mutant(GREETING, "connection)\n        versions = await policies.all_newest(connection)",
                   "connection, len(versions := await policies.all_newest(connection)))"),
            Mutant(ROWS, "shard = :shard AND registered", "registered"),
            Mutant(CONTROLS, "key=key_bytes, number=number,", "key=key_bytes, number=0,"),
            Mutant(CONTROLS, "topic=self._topic,", "topic=HEARTBEATS,"),
            Mutant(CONTROLS, "partition=shard, key=key_bytes, number", "partition=0, key=key_bytes, number"),
        ),
    ),
    Part(
        ("correlator_controls::test_no_number_is_given_twice",),
        (
            Mutant(GREETING, "len(versions) + len(entries)", "len(entries)"),
            Mutant(GREETING, "len(entries) + 2 * len(discovered))", "2 * len(discovered))"),
            Mutant(GREETING, "2 * len(discovered)", "len(discovered)"),
            Mutant(CONTROLS, "return last - count + 1", "return last"),
        ),
    ),
    Part(
        ("correlator_controls::test_a_shard_that_starts_anew_is_told_nobody_of_another_shard_or_of_an_org_that_is_gone",),
        (
            Mutant(ROWS, "shard AND registered AND NOT deleted", "shard AND registered"),
            Mutant(ROWS, "NOT registered AND NOT deleted", "NOT registered"),
            Mutant(ROWS, "shard = :shard AND state", "state"),
        ),
    ),
)  # fmt: skip
