"""Rules broken about how a file for the registry is read."""

from tests.mutation import Mutant, Part

LINES = "domain/correlator/import_lines"

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
)  # fmt: skip
