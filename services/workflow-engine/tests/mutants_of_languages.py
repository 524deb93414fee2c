"""Broken rules of the two languages inside documents: what conditions and templates may do, and what they mean."""

from tests.mutation import Mutant, Part

_CONDITIONS, _COST, _NEEDS = "adapters/conditions", "adapters/cel_cost", "adapters/cel_needs"
_CEL, _PATTERNS = "adapters/cel_reading", "adapters/cel_patterns"
_TEMPLATES, _WORK, _FILTERS = "adapters/templates", "adapters/template_work", "adapters/template_filters"
_READING = "adapters/template_reading"

CONDITIONS = (
    Part(
        ("workflow_conditions", "workflow_ifs"),
        (
            # what is taken when it is saved
            Mutant(_CONDITIONS, "if len(source.encode(errors=\"replace\")) > SOURCE_LIMIT:", "if False:"),
            Mutant(_CONDITIONS, "if _nesting(source) > NESTING_LIMIT:", "if _nesting(source) >= NESTING_LIMIT:"),
            Mutant(_CONDITIONS, "(*unknown_functions(source), *complaints_of(source))", "(*complaints_of(source),)"),
            Mutant(_COST, 'if token.text == "map":', "if False:"),
            Mutant(_COST, "elif token.text in LOOPS and inside[index]:", "elif False:"),
            Mutant(_COST, 'if argument.kind != "text" or', "if"),
            Mutant(_CEL, "position in inside for name, inside in loops", "True for name, inside in loops"),
            Mutant(_CEL, 'chain[:-1] if following == "(" else chain', "chain"),
            Mutant(_PATTERNS, "if making > MAKING_LIMIT_NS:", "if False:"),
            Mutant(_PATTERNS, 'if "x" in flags:', "if False:"),
            Mutant(_PATTERNS, "if len(pattern) > PATTERN_LIMIT:", "if len(pattern) >= PATTERN_LIMIT:"),
            Mutant(_PATTERNS, "(making * times, states * times)", "(making, states)"),
            # what is begun
            Mutant(_CONDITIONS, "return TOO_MUCH if bound_ns(source, sizes) > BUDGET_NS else None", "return None"),
            # what a verdict is
            Mutant(_CONDITIONS, "return _HOLDS if value else _DOES_NOT", "return _HOLDS"),
            Mutant(_CONDITIONS, "if isinstance(value, bool):", "if value is not None:"),
            Mutant(_CONDITIONS, "refused.get(source) or judged[source] for", "judged.get(source, _DOES_NOT) for"),
            Mutant(_CONDITIONS, "            if len(sources) == 1:\n", "            if True:\n"),
            Mutant(_CONDITIONS, "if absent and absent[1] not in FUNCTIONS:", "if False:"),
            Mutant(_CONDITIONS, "    if () in paths:\n        return None\n", ""),
            Mutant(_NEEDS, "and (value.isascii() or _is_whole(value))", ""),
            Mutant(_NEEDS, 'if depth == 0 and token.text in ("|", "?"):', 'if depth == 0 and token.text == "?":'),
            Mutant(_NEEDS, 'and "\\\\" not in text', ""),
            Mutant(_NEEDS, "return sorted(places)", "return places"),
        ),
    ),
)  # fmt: skip

TEMPLATES = (
    Part(("secrets",), (Mutant(_READING, "if name.name == SCOPE and id(name) not in alone:", "if False:"),)),
    Part(
        ("workflow_templates", "workflow_faulty_documents"),
        (
            # what is taken when it is saved
            Mutant(_TEMPLATES, "if len(source) > SOURCE_LIMIT:", "if False:"),
            Mutant(_READING, "if _depth(tree) > DEPTH_LIMIT:", "if False:"),
            Mutant(_READING, "if not isinstance(node, ALLOWED_NODES):", "if False:"),
            Mutant(_READING, "isinstance(node, nodes.Filter) and node.name not in FILTERS", "False"),
            Mutant(_READING, "isinstance(node, nodes.Test) and node.name not in TESTS", "False"),
            Mutant(_READING, "isinstance(node, nodes.For) and node.recursive", "False"),
            Mutant(_READING, "        if path[0] not in bound:\n", "        if True:\n"),
            Mutant(_READING, "for outer in (node.iter, *node.else_):", "for outer in (node.iter,):"),
            # what it may do
            Mutant(_TEMPLATES, "if size > OUTPUT_LIMIT:", "if size >= OUTPUT_LIMIT:"),
            Mutant(_TEMPLATES, 'len(piece.encode(errors="replace"))', "len(piece)"),
            Mutant(_TEMPLATES, "isinstance(left, int | float) and isinstance(right, int | float)", "True"),
            Mutant(_TEMPLATES, "return self.getitem(obj, attribute)", "return super().getattr(obj, attribute)"),
            Mutant(_TEMPLATES, "            case Undefined():\n", "            case int():\n"),
            Mutant(_TEMPLATES, "if obj is None else", "if False else"),
            Mutant(_WORK, "if work.turns < 0:", "if False:"),
            Mutant(_WORK, "    if not isinstance(value, list | tuple):\n", "    if False:\n"),
            Mutant(_WORK, "for node in list(tree.find_all(_COMPARING)):", "for node in []:"),
            Mutant(_WORK, "1 + len(one) // CHARACTERS", "1"),
            # what a value is as text
            Mutant(_FILTERS, 'return "true" if value else "false"', "return str(value)"),
            Mutant(_FILTERS, "instead if value is None or", "instead if not value or"),
            Mutant(_FILTERS, "if len(separator) * len(value) > JOINED_LIMIT:", "if False:"),
            Mutant(_FILTERS, "text[: max(length - 1, 0)]", "text[:length]"),
            Mutant(_FILTERS, "json.dumps(value, ensure_ascii=False)", "json.dumps(value)"),
        ),
    ),
)  # fmt: skip
