"""The whole fleet as its page shows it: in a sentence, over a day on one axis, by integration, and what changed.

Lengths of the picture are seconds from its beginning, as in the picture of a subject's day.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zlib import crc32

from fettle_console.views.address import query_of
from fettle_console.views.day import Stretch, Window
from fettle_console.views.words import HEALTH, span
from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import Ticket, TicketState
from fettle_contracts.times import parse_time
from fettle_contracts.transitions import CONFIRMED_UNHEALTHY, HealthState

PLOT = 60
"""How high the picture of how many were unhealthy is; a storm lies in one of the lanes below it."""
LANE, LANES = 12, 4

_BECAME = {
    "firing": ("firing", "went down"),
    "healthy": ("healthy", "came back"),
    "flapping": ("flapping", "began to come and go"),
    "unknown": ("unknown", "went out of sight"),
    "new": ("circle", "first seen"),
    "forgotten": ("cross", "removed"),
}
_DOWN = (HealthState.FIRING, HealthState.PENDING_RESOLVE)


@dataclass(frozen=True, slots=True)
class Tile:
    """An integration. `share` is how many hundredths of its judged devices are healthy, rounded down below a hundred;
    `spark` the outline of how many were unhealthy over the day, in a box of 96 by 24, None when nobody was."""

    key: str
    name: str
    path: str | None
    mark: str | None
    state: str | None
    healthy: int
    judged: int
    share: int
    most: int
    spark: str | None
    ticket: int | None


@dataclass(frozen=True, slots=True)
class Storm:
    """A ticket about many, and where it lies in the picture."""

    ticket: Ticket
    lane: int
    stretch: Stretch
    words: str


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened in the last hour."""

    at: datetime
    mark: str
    words: str
    path: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The day of the fleet. `bars` are quarters of an hour with how many were unhealthy, as parts of the plot."""

    window: Window
    most: int
    bars: Sequence[tuple[float, float, float, str]]
    blind: Sequence[Stretch]
    lost: Sequence[Stretch]
    storms: Sequence[Storm]

    @property
    def height(self) -> int:
        lanes = max((storm.lane for storm in self.storms), default=-1) + 1
        return PLOT + 6 + lanes * LANE


def sentence(found: Mapping[str, Any], now: datetime) -> str:
    """How the fleet is, as a person would say it."""
    states = found["states"]
    judged = sum(states[str(state)] for state in HealthState)
    if judged == 0:
        return "Nobody is judged yet." if not found["enabled"] else "Nobody has been heard yet."
    lost = next((one for one in found["lost"] if one["until"] is None), None)
    if lost:
        lasted = span((now - parse_time(lost["since"])).total_seconds())
        return f"Heartbeats have not been arriving for {lasted}: {_many(states['unknown'], 'subject')} out of sight."
    parts = [
        f"{_are(sum(states[str(state)] for state in _DOWN))} down",
        f"{_are(states[str(HealthState.FLAPPING)])} coming and going",
        f"{_are(states[str(HealthState.UNKNOWN)])} out of sight",
        f"{_are(states[str(HealthState.PENDING_OPEN)])} in doubt",
    ]
    wrong = [part for part in parts if not part.startswith("0 ")]
    well = judged - sum(states[str(state)] for state in CONFIRMED_UNHEALTHY)
    if well == judged == 1:
        return f"The one subject is healthy{', but in doubt' if wrong else ''}."
    if well == judged:
        return f"All {judged:,} subjects are healthy{''.join(f'; {part}' for part in wrong)}."
    return f"{well:,} of {_many(judged, 'subject')} {'is' if well == 1 else 'are'} healthy; {_listed(wrong)}."


def counts(found: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(state, its words, how many) of the states that somebody is in, what is wrong first."""
    order = (*CONFIRMED_UNHEALTHY, HealthState.PENDING_OPEN, HealthState.HEALTHY)
    states = found["states"]
    return [(str(state), HEALTH[state], states[str(state)]) for state in order if states[str(state)]]


def tiles(org: str, found: Mapping[str, Any], tickets: Iterable[Ticket]) -> list[Tile]:
    """Each integration. Its ticket is the integration's own or about its devices, while it is unresolved."""
    open_about = {
        ticket.subject.id: ticket.number
        for ticket in tickets
        if ticket.state is not TicketState.RESOLVED and ticket.subject.type is SubjectType.INTEGRATION
    }
    return [_tile(org, one, open_about) for one in found["integrations"]]


def _tile(org: str, one: Mapping[str, Any], open_about: Mapping[str, int]) -> Tile:
    devices = one["devices"]
    judged = sum(devices[str(state)] for state in HealthState)
    healthy = judged - sum(devices[str(state)] for state in CONFIRMED_UNHEALTHY)
    id, state = one["id"], one["state"]
    most = max(one["unhealthy"], default=0)
    return Tile(
        key=f"i-{crc32((id or '').encode()):08x}",
        name=one["name"] or id or "Without an integration",
        path=f"/orgs/{org}/health{query_of(integration=id)}" if id else None,
        mark=state,
        state=HEALTH[HealthState(state)] if state else None,
        healthy=healthy,
        judged=judged,
        share=100 * healthy // judged if judged else 0,
        most=most,
        spark=outline(one["unhealthy"], max(most, judged // 4)) if most else None,
        ticket=open_about.get(id or ""),
    )


def outline(steps: Sequence[int], top: int) -> str:
    """An SVG path of steps, one wide each, in a box 24 high whose top is `top`."""
    path, height = ["M0 24"], 0.0
    for place, many in enumerate(steps):
        rises = round(24 * many / top, 1) if many else 0.0
        if rises != height:
            path.append(f"H{place}V{24 - rises:g}")
            height = rises
    return "".join([*path, f"H{len(steps)}V24Z"])


def picture(found: Mapping[str, Any], now: datetime, tickets: Sequence[Ticket]) -> Picture:
    """The day, which ends where judging stands."""
    window = Window(parse_time(found["as_of"]) if found.get("as_of") else now)
    steps, step_s = found["unhealthy"], found["step_s"]
    most = max(steps, default=0)
    begin = (parse_time(found["since"]) - window.start).total_seconds()
    bars = [
        (begin + place * step_s, float(step_s), round(PLOT * many / most, 1), _many(many, "subject") + " unhealthy")
        for place, many in enumerate(steps)
        if many
    ]
    return Picture(
        window=window,
        most=most,
        bars=bars,
        blind=[stretch for one in found["blind"] if (stretch := _blind(window, one))],
        lost=[stretch for one in found["lost"] if (stretch := _lost(window, one))],
        storms=_storms(window, tickets, now),
    )


def _blind(window: Window, one: Mapping[str, Any]) -> Stretch | None:
    return window.stretch(parse_time(one["since"]), _time(one["until"]), "unseen", "Not observed")


def _lost(window: Window, one: Mapping[str, Any]) -> Stretch | None:
    words = f"Heartbeats of {_many(one['subjects'], 'subject')} did not arrive"
    return window.stretch(parse_time(one["since"]), _time(one["until"]), "lost", words)


def _storms(window: Window, tickets: Sequence[Ticket], now: datetime) -> list[Storm]:
    """Those of the window, the earliest first, each in the first free lane; the last one takes what is left."""
    ends = [-1.0] * LANES
    found = []
    for ticket in sorted(tickets, key=lambda ticket: ticket.opened_at):
        words = f"#{ticket.number} {ticket.title}"
        stretch = window.stretch(ticket.opened_at, ticket.resolved_at, ticket.state.value, words, ticket.number)
        if stretch is None:
            continue
        lane = next((lane for lane in range(LANES) if ends[lane] <= stretch.x), LANES - 1)
        ends[lane] = max(ends[lane], stretch.x + stretch.width)
        found.append(Storm(ticket, lane, stretch, _storm_words(ticket, now)))
    return found


def _storm_words(ticket: Ticket, now: datetime) -> str:
    lasted = span(((ticket.resolved_at or now) - ticket.opened_at).total_seconds())
    said = f"lasted {lasted}" if ticket.resolved_at else f"for {lasted} now"
    listed = ticket.checklist
    return f"{said}, {listed.recovered} of {listed.total} devices recovered" if listed.total else said


def told(org: str, found: Mapping[str, Any]) -> list[Told]:
    """What changed in the last hour, the latest first."""
    return [_change(org, one) for one in found["changes"]]


def _change(org: str, one: Mapping[str, Any]) -> Told:
    mark, did = _BECAME[one["became"]]
    example, behind = one["example"], one["integration"]
    if one["subjects"] == 1:
        name = example["name"] or example["id"]
        where = f", behind {behind}" if behind and example["type"] == "device" else ""
        path = f"/orgs/{org}/health/{example['type']}/{quote(example['id'])}"
        return Told(parse_time(one["latest"]), mark, f"{name} {_passive(did)}{where}", path)
    where = f" behind {behind}" if behind else " without an integration"
    path = f"/orgs/{org}/health{query_of(type='device', integration=behind or '', sort='-since')}"
    return Told(parse_time(one["latest"]), mark, f"{one['subjects']:,} devices{where} {_passive(did, many=True)}", path)


def _passive(did: str, *, many: bool = False) -> str:
    return f"{'were' if many else 'was'} {did}" if did in ("first seen", "removed") else did


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
