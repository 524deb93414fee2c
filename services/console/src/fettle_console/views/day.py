"""The last 24 hours of a subject as a picture: what lies where on one axis of time.

Lengths are seconds from the beginning of the window; the template draws them as they are and lets the browser stretch
the picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fettle_console.views.words import HEALTH, span
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import parse_time
from fettle_contracts.transitions import HealthState

WINDOW_S = 86_400
_SHORTEST_S = 120
"""What is shorter is drawn as long as this, so that it can be seen."""

_SILENT = (HealthState.PENDING_OPEN, HealthState.FIRING)
_HEARD = (HealthState.HEALTHY, HealthState.PENDING_RESOLVE, None)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something that lasted: `kind` says how it is drawn, `words` what it was."""

    x: float
    width: float
    kind: str
    words: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when the picture goes."""

    end: datetime

    @property
    def start(self) -> datetime:
        return self.end - timedelta(seconds=WINDOW_S)

    @property
    def hours(self) -> Sequence[datetime]:
        """Every fourth hour of it."""
        return [self.start + timedelta(hours=4 * step) for step in range(7)]

    def stretch(
        self, since: datetime | None, until: datetime | None, kind: str, words: str, number: int | None = None
    ) -> Stretch | None:
        """What lies between the two inside the window, an open end reaching to its edge; None when nothing does."""
        first = max(0.0, ((since or self.start) - self.start).total_seconds())
        last = min(float(WINDOW_S), ((until or self.end) - self.start).total_seconds())
        if last <= 0 or first >= WINDOW_S or last < first:
            return None
        return Stretch(first, min(max(last - first, _SHORTEST_S), WINDOW_S - first), kind, words, number)


@dataclass(frozen=True, slots=True)
class Day:
    """The lanes of the picture, from top to bottom."""

    states: Sequence[Stretch]
    gaps: Sequence[Stretch]
    tickets: Sequence[Stretch]
    silences: Sequence[Stretch]
    blind: Sequence[Stretch]
    window: Window


def picture(
    window: Window,
    subject: Mapping[str, Any],
    transitions: Sequence[Mapping[str, Any]],
    tickets: Iterable[Ticket],
    names: Mapping[str, str],
) -> Day:
    """All of it. `transitions` come the newest first, as the API has them; `names` are those of who made silences."""
    told = list(reversed(transitions))
    return Day(
        states=_present(_states(window, told, subject.get("state"))),
        gaps=_present(_gaps(window, told)),
        tickets=_present(
            window.stretch(
                ticket.opened_at,
                ticket.resolved_at,
                ticket.state.value,
                f"#{ticket.number} {ticket.title}",
                ticket.number,
            )
            for ticket in tickets
        ),
        silences=_present(_silenced(window, held, names) for held in subject.get("silenced", ())),
        blind=_present(
            window.stretch(_time(one["since"]), _time(one["until"]), one["kind"], "Not observed")
            for one in subject.get("blind", ())
        ),
        window=window,
    )


def _states(window: Window, told: Sequence[Mapping[str, Any]], now: str | None) -> Iterable[Stretch | None]:
    """Each state from the transition that began it to the one that ended it; the first one from before the window."""
    if not told:
        yield _state(window, None, None, now)
        return
    yield _state(window, None, parse_time(told[0]["at"]), told[0].get("from"))
    for place, transition in enumerate(told):
        until = parse_time(told[place + 1]["at"]) if place + 1 < len(told) else None
        yield _state(window, parse_time(transition["at"]), until, transition.get("to"))


def _state(window: Window, since: datetime | None, until: datetime | None, state: str | None) -> Stretch | None:
    if state is None:
        return None
    lasted = f" for {span((until - since).total_seconds())}" if since and until else ""
    return window.stretch(since, until, state, f"{HEALTH[HealthState(state)]}{lasted}")


def _gaps(window: Window, told: Sequence[Mapping[str, Any]]) -> Iterable[Stretch | None]:
    """Silences that were too long: from the last heartbeat before one to the transition by which it was heard again."""
    silent_since: datetime | None = None
    for transition in told:
        evidence, at = transition.get("evidence") or {}, parse_time(transition["at"])
        heard, deadline = _time(evidence.get("last_heard")), _time(evidence.get("deadline"))
        if silent_since is not None and (transition.get("to") in _HEARD or (heard and heard > silent_since)):
            yield _gap(window, silent_since, at)
            silent_since = None
        if silent_since is None and transition.get("to") in _SILENT and heard and deadline and deadline <= at:
            silent_since = heard
    if silent_since is not None:
        yield _gap(window, silent_since, window.end)


def _gap(window: Window, since: datetime, until: datetime) -> Stretch | None:
    return window.stretch(since, until, "gap", f"No heartbeat for {span((until - since).total_seconds())}")


def _silenced(window: Window, held: Mapping[str, Any], names: Mapping[str, str]) -> Stretch | None:
    reason = f": {held['reason']}" if held.get("reason") else ""
    words = f"Silenced by {names.get(held['made_by'], held['made_by'])}{reason}"
    return window.stretch(parse_time(held["since"]), parse_time(held["until"]), "silence", words)


def _present(stretches: Iterable[Stretch | None]) -> list[Stretch]:
    return [stretch for stretch in stretches if stretch is not None]


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
