"""Under `domain/` nothing waits, looks at a clock, draws chance or talks to the outside: time and ids are arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lints.source import Finding, Source, called

IMPURE_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.datetime.now",
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "uuid.uuid4",
    "uuid4",
    "uuid7",
    "os.urandom",
    "open",
}
OUTSIDE = {
    "aiokafka",
    "asyncio",
    "asyncpg",
    "fastapi",
    "faststream",
    "fettle_chassis",
    "httpx2",
    "random",
    "secrets",
    "socket",
    "sqlalchemy",
    "starlette",
    "structlog",
    "subprocess",
}
WAITING = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)


def domain_is_pure(source: Source) -> Iterator[Finding]:
    if not source.is_python or not source.is_domain:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, WAITING):
            yield source.find(node, "the domain does not wait; hand the awaiting to an adapter")
        elif isinstance(node, ast.Call) and called(node) in IMPURE_CALLS:
            yield source.find(node, f"the domain does not call {called(node)}; take its result as an argument")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in imported(node):
                if name.split(".")[0] in OUTSIDE:
                    yield source.find(node, f"the domain does not import {name}; facts come in as arguments")


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if node.level == 0 else []
    return [alias.name for alias in node.names]
