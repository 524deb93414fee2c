"""How long the chain of causes is that a request belongs to, as whoever makes it says, for what it causes in turn."""

from typing import Final

DEPTH_HEADER: Final = "fettle-causation-depth"
"""On requests that a workflow's run makes, the run's depth. Whoever leaves it out, or writes less, begins a chain."""


def depth_of(text: str | None) -> int:
    """The depth in a header's text; 0 for what is none, which is no reason to refuse."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 9 else 0
