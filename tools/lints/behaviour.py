"""Every rule of docs/behaviour.md is proven by a test, and every test proves rules that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tools.lints.source import Finding, Source

PAGE = "docs/behaviour.md"
RULE = re.compile(r"\*\*([A-Z]{2}-\d+)\*\*")


def rules_of(page: Source) -> dict[str, int]:
    """Each rule's id and the line it stands on."""
    return {
        match[1]: number
        for number, line in enumerate(page.text.splitlines(), 1)
        if (match := RULE.search(line)) is not None
    }


def marked(source: Source) -> Iterator[tuple[str, ast.AST]]:
    """The rule ids that a test file names in `pytest.mark.rule(…)`, with their places."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    yield str(argument.value), node


def rules_and_tests_agree(sources: Iterable[Source]) -> Iterator[Finding]:
    files = list(sources)
    page = next((source for source in files if source.path == PAGE), Source(PAGE, ""))
    rules, proven = rules_of(page), set()
    ids = RULE.findall(page.text)
    for repeated in sorted({rule for rule in ids if ids.count(rule) > 1}):
        yield Finding(PAGE, rules[repeated], f"{repeated} stands here twice; give one of them a new number")
    for source in files:
        if source.is_python and source.is_test:
            for rule, node in marked(source):
                proven.add(rule)
                if rule not in rules:
                    yield source.find(node, f"{rule} is no rule of {PAGE}; write it there or name another")
    for rule, line in rules.items():
        if rule not in proven:
            yield Finding(PAGE, line, f'{rule} has no test; mark one with @pytest.mark.rule("{rule}")')
