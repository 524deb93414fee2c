"""Seeded choices. The same seed and question have the same answer on every machine and in every order."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def fraction(seed: int, *question: object) -> float:
    """A number in [0, 1) that the seed gives to a question."""
    digest = blake2b(f"{seed}/{'/'.join(map(str, question))}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def between(low: float, high: float, seed: int, *question: object) -> float:
    """A number in [low, high), or `low` if they are the same."""
    return low + (high - low) * fraction(seed, *question)


def one_of(choices: Sequence[T], seed: int, *question: object) -> T:
    """One of the choices, each as likely as the others."""
    return choices[int(fraction(seed, *question) * len(choices))]
