"""Broken rules of schedules: when a rhythm is due, around changes of the clock too, and what missed moments come to."""

from tests.mutation import Mutant, Part

_RHYTHMS, _FIRING = "domain/rhythms", "domain/schedules"

SCHEDULES = (
    Part(
        ("schedule_rhythms",),
        (
            Mutant(_RHYTHMS, "if not 60 <= seconds <= EVERY_LIMIT_S:", "if not 0 < seconds <= EVERY_LIMIT_S:"),
            Mutant(_RHYTHMS, "if not 60 <= seconds <= EVERY_LIMIT_S:", "if not 60 <= seconds:"),
            Mutant(_RHYTHMS, "len(expression) > CRON_LIMIT or ", ""),
            Mutant(_RHYTHMS, "or len(expression.split()) != 5", ""),
            Mutant(_RHYTHMS, "            if found is None:\n", "            if False:\n"),
            Mutant(_RHYTHMS, "    clock_of(rhythm.zone)\n", ""),
            Mutant(_RHYTHMS, "datetime(2000, 1, 3)", "datetime(2000, 1, 1)"),
            Mutant(_RHYTHMS, "_BEGINNING.replace(tzinfo=clock_of(zone))", "_BEGINNING.replace(tzinfo=UTC)"),
            Mutant(_RHYTHMS, "((moment - beginning) // length + 1)", "(-((beginning - moment) // length))"),
            Mutant(_RHYTHMS, "case Every(seconds, zone) if seconds % _DAY_S == 0:\n            return next",
                   "case Every(seconds, zone) if False:\n            return next"),
            Mutant(_RHYTHMS, "for step in range(-2, 4)]", "for step in range(1, 4)]"),
            Mutant(_RHYTHMS, 'any(field.startswith("*") for field in expression.split()[:2])', "False"),
            Mutant(_RHYTHMS, 'any(field.startswith("*") for field in expression.split()[:2])',
                   'any(field.startswith("*") for field in expression.split())'),
            Mutant(_RHYTHMS, "    if _changes_soon(moment, clock):\n", "    if False:\n"),
            Mutant(_RHYTHMS, "                if _changes_soon(instant, clock):\n                    return\n", ""),
            Mutant(_RHYTHMS, "yield min(near)", "yield near[0]"),
            Mutant(_RHYTHMS, "for side in (_LONGEST_CHANGE, -_LONGEST_CHANGE)", "for side in (_LONGEST_CHANGE,)"),
            Mutant(_RHYTHMS, "return [] if interval else [_change(first, clock)]", "return [_change(first, clock)]"),
            Mutant(_RHYTHMS, "else [_change(first, clock)]", "else [first]"),
            Mutant(_RHYTHMS, "return [first, second] if interval and second != first else [first]",
                   "return [first, second] if second != first else [first]"),
            Mutant(_RHYTHMS, "return [first, second] if interval and second != first else [first]", "return [first]"),
            Mutant(_RHYTHMS, "return start + timedelta(seconds=late)", "return start + timedelta(seconds=early)"),
        ),
    ),
    Part(
        ("schedule_firing",),
        (
            Mutant(_FIRING, "    if newest > first:\n", "    if False:\n"),
            Mutant(_FIRING, "first = stands_for(schedule.rhythm, due_at)", "first = due_at"),
            Mutant(_FIRING, "        newest = due_at\n", "        newest = first\n"),
            Mutant(_FIRING, "lambda moment: moment < newest", "lambda moment: moment <= newest"),
            Mutant(_FIRING, "islice(others, COUNTED - 1)", "others"),
            Mutant(_FIRING, "next_after(schedule.rhythm, newest)", "next_after(schedule.rhythm, due_at)"),
            Mutant(_FIRING, "if schedule.missed is Missed.SKIP and", "if"),
            Mutant(_FIRING, "now - newest >= LATE_AFTER", "now - newest > LATE_AFTER"),
            Mutant(_FIRING, "[*missed, newest][:COUNTED]", "[*missed, newest]"),
            Mutant(_FIRING, "return Firing(None, len(missed), tuple(missed[:NAMED]), next_at)",
                   "return Firing(None, len(missed), tuple(missed), next_at)"),
            Mutant(_FIRING, "return Firing(newest, len(missed), tuple(missed[:NAMED]), next_at)",
                   "return Firing(newest, len(missed), tuple(missed), next_at)"),
            Mutant(_FIRING, "if next_after(rhythm, now - back) <= now:", "if True:"),
            Mutant(_FIRING, "        if moment > now:\n            return due_at\n",
                   "        if moment >= now:\n            return due_at\n"),
        ),
    ),
)  # fmt: skip
