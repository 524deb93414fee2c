"""From a trigger's table to a trigger: its condition, what it takes, and when a schedule is due."""

import re
from functools import cache
from zoneinfo import available_timezones

from fettle_workflow_engine.domain.catalogue import SCHEDULE, TRIGGERS
from fettle_workflow_engine.domain.definition import Condition, Pattern, Trigger
from fettle_workflow_engine.domain.faults import Fault, suggest, unknown
from fettle_workflow_engine.domain.rhythms import Cron, Every, Rhythm, Unworkable, check, clock_of
from fettle_workflow_engine.domain.schedules import Missed, Schedule
from fettle_workflow_engine.domain.tree import Scalar, Table

PATTERN_LIMIT = 500

EVERY = re.compile(r"([1-9][0-9]{0,4})(m|h|d|w)")
_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def read_trigger(name: str, table: Table, faults: list[Fault]) -> Trigger:
    """As much of the trigger as could be read; what is wrong with it is added to `faults`."""
    on = _text(table, "trigger", faults) or ""
    kind = TRIGGERS.get(on)
    if kind is not None:
        for field, entry in table.entries.items():
            known = ("trigger", "where", *kind.fields)
            if field not in known:
                faults.append(unknown(entry.key_place, f"field of a {on} trigger", field, known))
    patterns = ("type", "source") if kind and "type" in kind.fields else ()
    return Trigger(
        name,
        on,
        _where(table, faults),
        table.entries["trigger"].value.place,
        {field: pattern for field in patterns if (pattern := _pattern(table, field, faults))},
        _schedule(table, faults) if on == SCHEDULE else None,
    )


def _where(table: Table, faults: list[Fault]) -> Condition | None:
    source = _text(table, "where", faults, "`where` is a CEL expression: text")
    value = table.entries["where"].value if source is not None else None
    return Condition(source, value.text_place) if source is not None and isinstance(value, Scalar) else None


def _pattern(table: Table, field: str, faults: list[Fault]) -> Pattern | None:
    text = _text(table, field, faults)
    if text is None:
        return None
    if not 0 < len(text) <= PATTERN_LIMIT or "*" in text[:-1]:
        rule = f"`{field}` is 1 to {PATTERN_LIMIT} characters; a * may stand at its end and means whatever follows"
        faults.append(Fault(table.entries[field].value.place, rule))
    return Pattern(text)


def _schedule(table: Table, faults: list[Fault]) -> Schedule | None:
    before = len(faults)
    zone = _zone(table, faults)
    rhythm = _rhythm(table, zone, faults)
    missed = _text(table, "missed", faults)
    if missed is not None and missed not in tuple(Missed):
        faults.append(unknown(table.entries["missed"].value.place, "value of `missed`", missed, list(Missed)))
    if rhythm is None or len(faults) > before:
        return None
    return Schedule(rhythm, Missed(missed or Missed.RUN_ONCE))


def _rhythm(table: Table, zone: str, faults: list[Fault]) -> Rhythm | None:
    given = [field for field in ("every", "cron") if field in table.entries]
    if len(given) != 1:
        place = table.entries["cron"].key_place if given else table.entries["trigger"].value.place
        faults.append(Fault(place, "a schedule has `every` or `cron`, and not both"))
        return None
    (field,) = given
    rule = f"`{field}` is text: {'a number with m, h, d or w, as in 15m' if field == 'every' else 'five fields'}"
    text = _text(table, field, faults, rule)
    if text is None:
        return None
    place = table.entries[field].value.place
    rhythm: Rhythm = Cron(" ".join(text.split()), zone)
    if field == "every":
        found = EVERY.fullmatch(text)
        if found is None:
            faults.append(Fault(place, rule))
            return None
        rhythm = Every(int(found[1]) * _UNITS[found[2]], zone)
    try:
        check(rhythm)
    except Unworkable as reason:
        faults.append(Fault(place, str(reason)))
        return None
    return rhythm


def _zone(table: Table, faults: list[Fault]) -> str:
    """The zone's name; UTC for one that is absent or wrong."""
    zone = _text(table, "zone", faults)
    if zone is None:
        return "UTC"
    try:
        clock_of(zone)
    except Unworkable as reason:
        place, rule = table.entries["zone"].value.place, f"{reason}; one is called for instance Europe/Oslo"
        faults.append(Fault(place, rule, suggest(zone, _zones())))
        return "UTC"
    return zone


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _text(table: Table, field: str, faults: list[Fault], rule: str = "") -> str | None:
    entry = table.entries.get(field)
    if entry is None:
        return None
    if isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
        return entry.value.value
    faults.append(Fault(entry.value.place, rule or f"`{field}` must be text"))
    return None
