"""What is wrong with a document, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a document, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong, in plain words; `suggestion` is the name that was probably meant."""

    place: Place
    message: str
    suggestion: str | None = None


class DocumentRefused(Exception):
    """A document that does not validate, with every fault found, in reading order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.place, fault.message)))
        super().__init__(f"{len(self.faults)} faults")


def suggest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is close to, if one is."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def unknown(place: Place, what: str, name: str, known: Iterable[str]) -> Fault:
    """The fault of a name that means nothing here; it lists what would."""
    names = sorted(known)
    rule = f"known: {', '.join(names)}" if names else "none is known here"
    return Fault(place, f"unknown {what} {name!r}; {rule}", suggest(name, names))
