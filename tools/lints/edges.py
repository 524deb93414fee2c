"""What only the chassis may do: build brokers, catch everything, commit; and what nobody may do with Kafka or HTTP."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lints.source import Finding, Source, called


def brokers_come_from_the_chassis(source: Source) -> Iterator[Finding]:
    """FastStream's defaults lose messages; the factory in the chassis has the safe ones."""
    if not source.is_python or source.is_chassis:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and called(node).split(".")[-1] == "KafkaBroker":
            yield source.find(node, "KafkaBroker's defaults lose messages; use fettle_chassis.kafka.build_broker")


def nothing_publishes_in_batches(source: Source) -> Iterator[Finding]:
    """FastStream's batch publishing ignores keys when it chooses the partition: order per key would be lost."""
    if not source.is_python:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = called(node).split(".")[-1]
        batch = any(word.arg == "batch" and ast.unparse(word.value) == "True" for word in node.keywords)
        if name == "publish_batch" or (name == "publisher" and batch):
            yield source.find(node, "batch publishing ignores keys; publish record by record and gather")


def failures_are_named(source: Source) -> Iterator[Finding]:
    """`except Exception` hides bugs; only the chassis, which gives every failure its ending, may catch all. A handler
    that raises again ends nothing: it cleans up, or lets through what is not its own.
    """
    if not source.is_python or source.is_chassis or source.is_test:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and not raises_again(node):
            yield source.find(node, "name the failures that this place can end; the chassis catches the rest")


def catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


def raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def commits_happen_at_the_edge(source: Source) -> Iterator[Finding]:
    """One batch, one transaction, one commit: the unit of work ends it, nothing below does."""
    if not source.is_python or source.parts[0] != "services" or source.is_test:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and called(node).split(".")[-1] in ("commit", "rollback"):
            yield source.find(node, "nothing below the unit of work commits or rolls back")


def requests_stay_on_the_loop(source: Source) -> Iterator[Finding]:
    """FastAPI carries a dependency or an endpoint that is a plain function out in another thread: two switches of
    threads for each, a fifth of what a request costs. Seen where the function stands in the file that asks for it."""
    if not source.is_python or source.is_test:
        return
    plain = {node.name: node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    asked = [node for node in calls if called(node) in ("Depends", "Security")]
    named = {each.id for node in asked for each in node.args if isinstance(each, ast.Name)}
    for name, node in plain.items():
        if name in named or any(_is_route(each) for each in node.decorator_list):
            yield source.find(node, "FastAPI runs a plain function in another thread; write async def")


def _is_route(decorator: ast.expr) -> bool:
    verbs = ("get", "post", "put", "patch", "delete", "api_route")
    return isinstance(decorator, ast.Call) and called(decorator).split(".")[-1] in verbs
