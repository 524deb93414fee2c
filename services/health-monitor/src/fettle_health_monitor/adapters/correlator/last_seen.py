"""What was last seen of those about whom no change calls for a verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.domain.correlator.evidence import before_decision
from fettle_health_monitor.domain.correlator.verdicts import LastSeen

_STOOD = text("""
    SELECT place, body
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:at AS bigint[]), CAST(:down AS boolean[]))
         WITH ORDINALITY AS asked (org, subject, at, down, place)
    CROSS JOIN LATERAL (
        SELECT body FROM transition
        WHERE transition.org = asked.org AND transition.subject = asked.subject AND transition.at <= asked.at
          AND coalesce(to_state IN ('pending_open', 'firing', 'flapping'), false) = asked.down
        ORDER BY transition.at DESC, position DESC LIMIT 1
    ) AS last
""")

_ASKED_FOR = text("""
    SELECT place, last.subject, evidence
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]))
         WITH ORDINALITY AS asked (org, subject, condition, place)
    CROSS JOIN LATERAL (
        SELECT outcome.subject, evidence FROM command JOIN outcome ON outcome.verdict = command.verdict
        WHERE command.org = asked.org AND command.subject = asked.subject AND command.condition = asked.condition
          AND verb = 'open'
        ORDER BY outcome.at DESC LIMIT 1
    ) AS last
""")


async def by_then(connection: AsyncConnection, out: Sequence[RunOut]) -> Mapping[RunOut, LastSeen]:
    """What was last seen, by the instant at which each of these watches had run out: of a subject by the last
    change that made it what the watch is about, of a ticket about many by what it was last asked for (`first` is the
    device that called for it then; while it is watched nobody asks for it). A list that has become short says nothing;
    nor does what is not on record."""
    of_lists = [each for each in out if each.watch.is_about_many and each.watch.kind.asks_for_failing]
    of_subjects = [each for each in out if not each.watch.is_about_many]
    found = dict[RunOut, LastSeen]()
    if of_subjects:
        down = [each.watch.kind.asks_for_failing for each in of_subjects]
        at = [each.at for each in of_subjects]
        asked = {**columns_of([(each.watch.org, each.watch.subject) for each in of_subjects]), "at": at, "down": down}
        for row in await connection.execute(_STOOD, asked):
            found[of_subjects[row.place - 1]] = _of_transition(row.body)
    if of_lists:
        conditions = [each.watch.condition for each in of_lists]
        asked = {**columns_of([(each.watch.org, each.watch.subject) for each in of_lists]), "conditions": conditions}
        for row in await connection.execute(_ASKED_FOR, asked):
            each = of_lists[row.place - 1]
            found[each] = _of_outcome(row, each.watch.subject)
    return found


async def of_those_down(connection: AsyncConnection, at: Mapping[Key, int]) -> dict[Key, LastSeen]:
    """What was last seen, by these instants, of subjects that are down."""
    keys = list(at)
    asked = {**columns_of(keys), "at": list(at.values()), "down": [True] * len(keys)}
    return {keys[row.place - 1]: _of_transition(row.body) for row in await connection.execute(_STOOD, asked)}


def _of_transition(body: Mapping[str, Any]) -> LastSeen:
    return LastSeen(to_ms(parse_time(body["since"])), body["evidence"], body["flap_count"])


def _of_outcome(row: Row[Any], about: str) -> LastSeen:
    seen = before_decision(row.evidence)
    return LastSeen.of(seen if row.subject == about else {**seen, "first": row.subject})
