"""How runs and their nodes stand, as a word with a shape and a colour."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stand:
    """`mark` is the state whose colour it has, `icon` its shape, `word` what it is called."""

    mark: str
    icon: str
    word: str


_GOING, _WELL, _BADLY = ("in_progress", "in_progress"), ("resolved", "resolved"), ("open", "open")

RUNS: Mapping[str, Stand] = {
    "running": Stand(*_GOING, "Running"),
    "done": Stand(*_WELL, "Done"),
    "failed": Stand(*_BADLY, "Failed"),
    "refused": Stand("unknown", "unknown", "Refused"),
    "cancelled": Stand("unknown", "cross", "Cancelled"),
}

NODES: Mapping[str, Stand] = {
    "waiting": Stand(*_GOING, "Waiting"),
    "done": Stand(*_WELL, "Done"),
    "failed": Stand(*_BADLY, "Failed"),
    "skipped": Stand("unknown", "circle", "Skipped"),
}


def run_stand(state: str) -> Stand:
    return RUNS.get(state) or Stand("unknown", "unknown", state)


def node_stand(state: str) -> Stand:
    return NODES.get(state) or Stand("unknown", "unknown", state)
