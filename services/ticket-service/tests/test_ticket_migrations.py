"""A migration that a process did not come to the end of is done again."""

import pytest
from ticket_door import Door
from ticket_tampering import tamper

from fettle_ticket_service.app import PACKAGE

INDEXES = (
    "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index WHERE indrelid = 'ticket_search'::regclass"
)
VERSION = "SELECT version_num FROM alembic_version"
HALF_DONE = (
    "UPDATE alembic_version SET version_num = '0006'",
    "DROP TABLE number_mark",
    "CREATE INDEX ticket_search_words ON ticket_search USING gin (org, words gin_trgm_ops)",
)


@pytest.mark.rule("KF-48")
@pytest.mark.parametrize("index", ["is there", "is half built", "is not there"])
async def test_the_index_of_words_comes_also_where_a_start_was_stopped(door: Door, index: str) -> None:
    built = {"is there": "SELECT 1", "is not there": "DROP INDEX ticket_search_grams"}
    halved = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ticket_search_grams'::regclass"
    [[newest]] = await door.rows(VERSION)
    await tamper(door, *HALF_DONE, built.get(index, halved))
    await door.database.migrate(PACKAGE)
    found = {row.name: row.indisvalid for row in await door.rows(INDEXES)}
    assert found == {"ticket_search_pkey": True, "ticket_search_grams": True}
    assert [tuple(row) for row in await door.rows(VERSION)] == [(newest,)]
