"""Whoever can write to the database and has no key, what they can do, and what must be found then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from ticket_desk import ANN, BRIDGE, KEYS, MONITOR, OFFLINE, STORM, THERMOSTAT, devices, opening
from ticket_door import Door, asked, numbered

from fettle_chassis.database import Database
from fettle_ticket_service.adapters.verifying import verify
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import Link
from fettle_ticket_service.domain.verifying import Finding, Verification

TABLES = ("org", "ticket", "ticket_search", "checklist_member", "entry", "removed_ticket", "chain_gap")

_FIRST = "(SELECT id FROM ticket WHERE org = 'acme' AND number = 1)"
_THIRD = "(SELECT id FROM ticket WHERE org = 'acme' AND number = 3)"

TAMPERINGS = {
    "a comment is altered": ("UPDATE entry SET body = 'No.' WHERE type = 'comment-added'", "entry_altered"),
    "a comment is emptied": ("UPDATE entry SET body = NULL WHERE type = 'comment-added'", "entry_altered"),
    "evidence is altered": (
        """UPDATE entry SET evidence = '{"deadline": "11:00"}' WHERE evidence IS NOT NULL AND type = 'opened'""",
        "entry_altered",
    ),
    "another actor": (f"""UPDATE entry SET actor = '{{"type": "user"}}' WHERE ticket_id = {_THIRD}""", "entry_altered"),
    "another time": ("UPDATE entry SET at = at - interval '1 ms' WHERE place = 2", "entry_altered"),
    "a time without end": ("UPDATE entry SET at = 'infinity' WHERE place = 2", "entry_altered"),
    "a time beyond all years": ("UPDATE entry SET at = '20000-01-01' WHERE place = 3", "entry_altered"),
    "another type": ("UPDATE entry SET type = 'reopened' WHERE type = 'started'", "entry_altered"),
    "another id": ("UPDATE entry SET id = gen_random_uuid() WHERE place = 3", "entry_altered"),
    "another hash": ("UPDATE entry SET hash = overlay(hash PLACING 'AAAA' FROM 6) WHERE place = 2", "entry_altered"),
    "another head": ("UPDATE entry SET head = overlay(head PLACING 'AAAA' FROM 6) WHERE place = 2", "chain_altered"),
    "a hash is taken away": ("UPDATE entry SET hash = NULL, place = NULL, head = NULL WHERE place = 2", "chain_broken"),
    "an entry is removed": ("DELETE FROM entry WHERE place = 3", "chain_broken"),
    "the latest entry is removed": (
        "DELETE FROM entry WHERE org = 'acme' AND place = (SELECT place FROM org WHERE org = 'acme')",
        "org_altered",
    ),
    "an entry is invented": (
        f"""INSERT INTO entry (ticket_id, version, id, org, type, at, actor)
            SELECT id, version + 1, gen_random_uuid(), org, 'started', now(), '{{"type": "user"}}'
            FROM ticket WHERE id = {_THIRD}""",
        "entry_unchained",
    ),
    "an entry stands twice": (
        """INSERT INTO entry
           SELECT ticket_id, version + 50, id, org, type, at, actor, body, evidence, hash, place + 500, head
           FROM entry WHERE org = 'acme' AND place = 4""",
        "chain_broken",
    ),
    "two entries are exchanged": (
        f"""UPDATE entry SET version = 102 WHERE version = 2 AND ticket_id = {_FIRST};
            UPDATE entry SET version = 2 WHERE version = 3 AND ticket_id = {_FIRST};
            UPDATE entry SET version = 3 WHERE version = 102""",
        "entry_missing",
    ),
    "an entry goes to another ticket": (
        f"UPDATE entry SET ticket_id = {_THIRD}, version = 9 WHERE org = 'acme' AND place = 4",
        "entry_missing",
    ),
    "an entry goes to another org": (
        "UPDATE entry SET org = 'globex', place = 99 WHERE org = 'acme' AND place = 7",
        "chain_broken",
    ),
    "places are renumbered": ("UPDATE entry SET place = place + 1000 WHERE org = 'acme' AND place > 4", "chain_broken"),
    "a title is altered": ("UPDATE ticket SET title = 'Quiet' WHERE number = 3", "ticket_altered"),
    "a description is altered": ("UPDATE ticket SET description = 'None.' WHERE number = 1", "ticket_altered"),
    "an opening is altered": ("UPDATE ticket SET opened_at = opened_at - interval '9 days'", "ticket_altered"),
    "a seal is of a key that is not there": ("UPDATE ticket SET seal = 'k9' || substr(seal, 3)", "key_unknown"),
    "hash and seal are taken away": ("UPDATE ticket SET hash = NULL, seal = NULL WHERE number = 3", "ticket_altered"),
    "a ticket from before all years": ("UPDATE ticket SET opened_at = '4000-01-01 BC'", "ticket_altered"),
    "a ticket without a beginning": ("UPDATE ticket SET updated_at = '-infinity'", "ticket_altered"),
    "a ticket without an end": ("UPDATE ticket SET resolved_at = 'infinity' WHERE number = 2", "ticket_altered"),
    "a state is altered": (
        "UPDATE ticket SET state = 'in_progress', resolution = NULL WHERE org = 'acme' AND number = 2",
        "ticket_altered",
    ),
    "a link is altered": ("""UPDATE ticket SET links = '[]' WHERE links <> '[]'""", "ticket_altered"),
    "half a parent": ("UPDATE ticket SET parent_id = gen_random_uuid() WHERE number = 3", "ticket_altered"),
    "half a ticket before it": ("UPDATE ticket SET previous_number = 7 WHERE number = 1", "ticket_altered"),
    "a ticket is set back": ("UPDATE ticket SET version = version - 1 WHERE number = 1", "ticket_altered"),
    "a seal is taken away": ("UPDATE ticket SET seal = NULL WHERE number = 1", "ticket_altered"),
    "a ticket is renumbered": ("UPDATE ticket SET number = 33 WHERE org = 'acme' AND number = 3", "ticket_missing"),
    "a ticket is removed": (
        f"WITH gone AS (DELETE FROM entry WHERE ticket_id = {_THIRD}) DELETE FROM ticket WHERE id = {_THIRD}",
        "ticket_missing",
    ),
    "only its row is removed": (f"DELETE FROM ticket WHERE id = {_THIRD}", "ticket_missing"),
    "a member is removed": ("DELETE FROM checklist_member WHERE place = 2", "checklist_altered"),
    "a member has recovered": ("UPDATE checklist_member SET recovered_at = now() WHERE place = 2", "checklist_altered"),
    "a count is altered": ("UPDATE org SET open = open + 1", "org_altered"),
    "a number is skipped": ("UPDATE org SET next_number = next_number + 1", "ticket_missing"),
    "the org forgets its end": ("UPDATE org SET place = place - 1", "org_altered"),
    "the org's end is another": ("UPDATE org SET head = overlay(head PLACING 'AAAA' FROM 6)", "org_altered"),
    "a removal is invented": (
        f"""INSERT INTO removed_ticket
            SELECT org, number, id, version, hash, 2, now() - interval '1 year', now(), 5, seal
            FROM ticket WHERE id = {_THIRD};
            DELETE FROM entry WHERE ticket_id = {_THIRD}; DELETE FROM ticket WHERE id = {_THIRD}""",
        "removal_altered",
    ),
    "a gap is invented": (
        """INSERT INTO chain_gap SELECT org, place, place, head, head FROM entry WHERE org = 'acme' AND place = 5;
           DELETE FROM entry WHERE org = 'acme' AND place = 5""",
        "removal_altered",
    ),
    "a source that there is not": ("UPDATE ticket SET source = 'x' WHERE number IN (1, 3)", "ticket_altered"),
    "a kind of subject that there is not": ("UPDATE ticket SET subject_type = 'x' WHERE number = 1", "ticket_altered"),
    "a resolution that there is not": ("UPDATE ticket SET resolution = 'x' WHERE number = 2", "ticket_altered"),
    "a ticket's actor that there is not": ("""UPDATE ticket SET opened_by = '{"type" : "x"}'""", "ticket_altered"),
    "an entry's actor that there is not": (
        """UPDATE entry SET actor = '{"type" : "x"}' WHERE place = 2""",
        "entry_altered",
    ),
    "a ticket's actor is no actor": ("UPDATE ticket SET opened_by = '7' WHERE number = 1", "ticket_altered"),
    "nobody resolved it": ("UPDATE ticket SET resolved_by = '{}' WHERE number = 2", "ticket_altered"),
    "an entry's actor is no actor": ("""UPDATE entry SET actor = '["user"]' WHERE place = 2""", "entry_altered"),
    "an actor's name is no text": (
        """UPDATE entry SET actor = '{"type": "user", "id": "ann@acme.test", "name": 1}' WHERE place = 4""",
        "entry_altered",
    ),
    "links are no list": ("""UPDATE ticket SET links = '{"label": "x"}' WHERE number = 1""", "ticket_altered"),
    "no links are no list": ("UPDATE ticket SET links = 'false' WHERE number = 3", "ticket_altered"),
    "a link has no address": ("""UPDATE ticket SET links = '[{"label": "x"}]' WHERE number = 1""", "ticket_altered"),
    "evidence is no object": ("UPDATE entry SET evidence = '[1]' WHERE place = 2", "entry_altered"),
    "evidence has a number that is too large": (
        f"""UPDATE entry SET evidence = '{{"a": 1{"0" * 400}}}' WHERE place = 2""",
        "entry_altered",
    ),
    "a kind of member that there is not": (
        "UPDATE checklist_member SET type = 'x', recovered_at = now()",
        "checklist_altered",
    ),
    "a version that nothing can follow": ("UPDATE ticket SET version = 2147483647", "ticket_altered"),
    "an org's number that nothing can follow": ("UPDATE org SET next_number = 9223372036854775807", "ticket_missing"),
    "an org's place that nothing can follow": ("UPDATE org SET place = 9223372036854775807", "org_altered"),
    "hashes of a key that is not there": (
        "UPDATE entry SET hash = 'k9' || substr(hash, 3) WHERE place = 2",
        "key_unknown",
    ),
}
"""What is done to the database by SQL, and one of the things that must be found for it."""


async def write_history(door: Door) -> None:
    """Two orgs with the same tickets: three tickets in every state, a rollup, comments, edits, evidence."""
    for org in ("acme", "globex"):
        for command, number in (
            (opening(description="Since *this morning*."), None),
            (opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE, evidence={"deadline": "12:00"}), None),
            (opening(actor=MONITOR, subject=BRIDGE, dedup_key=STORM, evidence={"counted": 5, "share": 0.75}), None),
            (commands.Start(actor=ANN, comment="On it."), 1),
            (commands.EditDescription(actor=ANN, description="Since yesterday.", description_version=1), 1),
            (commands.SetLinks(actor=ANN, links=(Link("WO-7", "https://orders.test/7"),), description_version=None), 1),
            (commands.Resolve(actor=MONITOR), 2),
            (commands.UpdateChecklist(actor=MONITOR, add=devices(1, 2, 3), recovered=devices(1)), 3),
            (commands.Comment(actor=ANN, text="Called the vendor."), 3),
        ):
            ticket = None if number is None else numbered(number)
            await door.ask_one(asked(command, org=org, ticket=ticket))


async def findings(database: Database, org: str = "acme") -> tuple[list[Finding], Verification]:
    told = [each async for each in verify(database, org, KEYS)]
    verification = told[-1]
    assert isinstance(verification, Verification)
    return [each for each in told if isinstance(each, Finding)], verification


class Backup:
    """A copy of the service's tables, which can be put back."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def make(self) -> None:
        await self._run(*(f"CREATE TABLE kept_{table} AS TABLE {table}" for table in TABLES))

    async def drop(self) -> None:
        await self._run(*(f"DROP TABLE IF EXISTS kept_{table}" for table in TABLES))

    async def put_back(self) -> None:
        await self._run(
            f"TRUNCATE {', '.join(TABLES)}", *(f"INSERT INTO {table} TABLE kept_{table}" for table in TABLES)
        )

    async def _run(self, *statements: str) -> None:
        await tamper(self._door, *statements)


async def tamper(door: Door, *statements: str) -> None:
    async with door.work() as work:
        for statement in statements:
            for part in statement.split(";"):
                await work.connection.execute(text(part))


@asynccontextmanager
async def backed_up(door: Door) -> AsyncIterator[Backup]:
    backup = Backup(door)
    await backup.make()
    yield backup
    await backup.drop()
