"""What is known of the tickets of subjects."""

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.ticket import TicketState
from fettle_contracts.transitions import Condition
from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.domain.correlator.incident import Asked, Incident, KnownTicket
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import OPENING

About = tuple[str, str, str]
"""Org, subject and condition."""

_OFFLINE = Condition.DEVICE_OFFLINE.value
"""What devices share tickets for."""

_OPENING = ", ".join(f"'{cause}'" for cause in sorted(OPENING))

_OF_SUBJECTS = text("""
    SELECT org, subject, condition, ticket_id, ticket_number, ticket_state, ticket_version, asked_verb, asked_command,
           opened_at, other_tickets
    FROM incident JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
""")

_LEFT_OPEN = text(f"""
    WITH asked AS (
        SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:anew AS boolean[]),
                             CAST(:until AS bigint[])) AS asked (org, subject, anew, until)
    ),
    may_be_open AS (
        SELECT org, subject, condition, coalesce(opened_at, 0) AS at, anew, until
        FROM incident JOIN asked USING (org, subject)
        WHERE CASE WHEN asked_verb IS NULL THEN ticket_state <> 'resolved' ELSE asked_verb = 'open' END
        UNION ALL SELECT org, subject, condition, at, anew, until FROM verdict JOIN asked USING (org, subject)
        WHERE waits_for IS NULL AND cause IN ({_OPENING})
        UNION ALL SELECT org, subject, condition, least(start_at, until), anew, until
        FROM watch JOIN asked USING (org, subject)
        WHERE kind IN ('early_resolve', 'open_refused') OR (anew AND kind = 'judged_afresh')
        UNION ALL SELECT org, subject, condition, 0, true, until FROM rollup_member JOIN asked USING (org, subject)
        WHERE recovered_at IS NULL
        UNION ALL SELECT org, subject, parent_condition, 0, true, until
        FROM asked JOIN (SELECT org, parent AS subject, parent_condition FROM rollup_member WHERE recovered_at IS NULL)
             AS listed USING (org, subject)
        UNION ALL SELECT org, subject, '{_OFFLINE}', 0, true, until FROM former_member JOIN asked USING (org, subject)
        UNION ALL SELECT org, subject, condition, 0, true, until FROM incident JOIN asked USING (org, subject)
        WHERE EXISTS (SELECT FROM verdict WHERE verdict.org = asked.org AND waits_for = asked.subject
                                                AND verdict.subject <> waits_for)
          AND NOT EXISTS (SELECT FROM watch WHERE watch.org = asked.org AND watch.subject = asked.subject
                                                  AND kind IN ('early_resolve', 'open_refused'))
    )
    SELECT DISTINCT org, subject, condition FROM may_be_open AS open
    WHERE condition <> '{MANY}' AND at <= until
      AND NOT EXISTS (SELECT FROM verdict WHERE verdict.org = open.org AND verdict.subject = open.subject
                                                AND cause IN ('recovered', 'forgotten')
                                                AND verdict.at BETWEEN open.at AND until)
      AND (anew OR NOT EXISTS (SELECT FROM outcome WHERE outcome.org = open.org AND outcome.subject = open.subject
                                                         AND cause = 'recovered'
                                                         AND outcome.at BETWEEN open.at AND until))
""")  # noqa: S608 - constants

_WITHOUT_TICKET = text("""
    SELECT org, subject, last.condition
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:until AS bigint[]))
         AS asked (org, subject, until)
         CROSS JOIN LATERAL (SELECT condition, outcome, at FROM outcome
                             WHERE outcome.org = asked.org AND outcome.subject = asked.subject
                             ORDER BY at DESC LIMIT 1) AS last
    WHERE last.outcome IN ('silenced', 'unpublished', 'refused')
      AND NOT EXISTS (SELECT FROM verdict WHERE verdict.org = asked.org AND verdict.subject = asked.subject
                                                AND cause IN ('recovered', 'forgotten')
                                                AND verdict.at BETWEEN last.at AND until)
""")

_SAVE = text("""
    INSERT INTO incident (org, subject, condition, ticket_id, ticket_number, ticket_state, ticket_version,
                          asked_verb, asked_command, opened_at, other_tickets)
    SELECT * FROM unnest(
        CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]), CAST(:ids AS uuid[]),
        CAST(:numbers AS integer[]), CAST(:states AS text[]), CAST(:versions AS integer[]), CAST(:verbs AS text[]),
        CAST(:commands AS uuid[]), CAST(:opened_at AS bigint[]),
        CAST(CAST(:others AS text[]) AS jsonb[]))
    ON CONFLICT (org, subject, condition) DO UPDATE SET
        ticket_id = excluded.ticket_id, ticket_number = excluded.ticket_number, ticket_state = excluded.ticket_state,
        ticket_version = excluded.ticket_version, asked_verb = excluded.asked_verb,
        asked_command = excluded.asked_command, opened_at = excluded.opened_at,
        other_tickets = excluded.other_tickets
""")

_FORGET = text("""
    DELETE FROM incident
    USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:conditions AS text[]))
          AS refused (org, subject, condition)
    WHERE incident.org = refused.org AND incident.subject = refused.subject AND incident.condition = refused.condition
""")


async def of_subjects(connection: AsyncConnection, keys: Collection[Key]) -> dict[About, Incident]:
    """All incidents of these subjects. The caller holds the orgs' rows, so nothing changes meanwhile."""
    rows = await connection.execute(_OF_SUBJECTS, columns_of(set(keys)))
    return {(row.org, row.subject, row.condition): _incident(row) for row in rows}


async def left_open(connection: AsyncConnection, well: Mapping[Key, tuple[int, bool]]) -> set[About]:
    """The incidents of these subjects, well since this instant, that no recovery has ended or will end: their own ones
    from before with a ticket that is or may be open, or may be opened yet, as a verdict or somebody's early resolve is
    not decided, or after a refusal, and those of which they are down on a checklist. So are those of an integration for
    which devices still wait, as one was resolved by somebody and nothing has decided what becomes of that. One that
    somebody has reopened since the recovery counts only for who comes up in a new log (True), and so does one that a
    fresh time may bring that is over."""
    until, anew = [at for at, _ in well.values()], [of for _, of in well.values()]
    rows = await connection.execute(_LEFT_OPEN, {**columns_of(well), "until": until, "anew": anew})
    return {(row.org, row.subject, row.condition) for row in rows}


async def without_ticket(connection: AsyncConnection, well: Mapping[Key, int]) -> set[About]:
    """Those of these subjects, well since this instant, whose last verdict was silenced, not published or refused, with
    no recovery or removal behind it that is not decided yet: a silence that ends, or publishing that begins for what
    exists, may open a ticket for them by an instant that is not decided yet."""
    rows = await connection.execute(_WITHOUT_TICKET, {**columns_of(well), "until": list(well.values())})
    return {(row.org, row.subject, row.condition) for row in rows}


async def save(connection: AsyncConnection, changed: Mapping[About, Incident]) -> None:
    """Keeps what is known of these. Of one whose only ticket was refused nothing is, and nothing is kept."""
    incidents = {about: one for about, one in changed.items() if one.ticket is not None or one.asked is not None}
    if nothing := changed.keys() - incidents.keys():
        await connection.execute(_FORGET, _columns(nothing))
    if not incidents:
        return
    tickets = [incident.ticket for incident in incidents.values()]
    asked = [incident.asked for incident in incidents.values()]
    await connection.execute(
        _SAVE,
        {
            **_columns(incidents),
            "ids": [None if ticket is None else ticket.id for ticket in tickets],
            "numbers": [None if ticket is None else ticket.number for ticket in tickets],
            "states": [None if ticket is None else ticket.state.value for ticket in tickets],
            "versions": [None if ticket is None else ticket.version for ticket in tickets],
            "verbs": [None if last is None else last.verb for last in asked],
            "commands": [None if last is None else last.command for last in asked],
            "opened_at": [incident.opened_at for incident in incidents.values()],
            "others": [msgspec.json.encode(incident.others).decode() for incident in incidents.values()],
        },
    )


def _columns(abouts: Collection[About]) -> dict[str, object]:
    return {
        "orgs": [org for org, _, _ in abouts],
        "subjects": [subject for _, subject, _ in abouts],
        "conditions": [condition for _, _, condition in abouts],
    }


def _incident(row: Row[tuple[object, ...]]) -> Incident:
    ticket = None
    if row.ticket_id is not None:
        ticket = KnownTicket(row.ticket_id, row.ticket_number, TicketState(row.ticket_state), row.ticket_version)
    asked = None if row.asked_verb is None else Asked(row.asked_verb, row.asked_command)
    others = msgspec.convert(row.other_tickets, tuple[KnownTicket, ...])
    return Incident(ticket, asked, row.opened_at, others)
