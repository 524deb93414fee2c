"""How a command ended."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """Exit status, and what it wrote."""

    status: int
    out: str
    err: str


Fettle = Callable[..., Ran]
"""Runs `fettle` with the arguments; `stdin` is what it can read, and `typed` says that it is a terminal."""
