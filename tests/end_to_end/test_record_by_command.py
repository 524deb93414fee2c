"""The record of an org, held by `fettle tickets verify` against itself, an export and the topic."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fettle_chassis.settings import ServiceSettings
from tests.installation import Installation, OrgApi

KEPT = ("ticket", "entry", "org")


class Record:
    """The tables of the ticket service, as one who owns the database has them, and the command."""

    def __init__(self, installation: Installation, api: OrgApi) -> None:
        self._dsn = ServiceSettings.load(installation.environment).database_dsn("tickets")
        self._environment = {
            **os.environ,
            **installation.environment,
            "FETTLE_URL": installation.url,
            "FETTLE_TOKEN": api.token,
            "FETTLE_ORG": api.org,
        }

    def tamper(self, *statements: str) -> None:
        async def carry_out() -> None:
            connection = await asyncpg.connect(self._dsn)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(carry_out())

    def fettle(self, *arguments: str) -> tuple[int, str]:
        """`fettle tickets …`: its status, and what it printed."""
        command = [sys.executable, "-m", "fettle_cli", "tickets", *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
        )
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout

    def found(self, *against: str) -> tuple[int, set[tuple[str, int | None]]]:
        """The status of `verify`, what is wrong and with which ticket."""
        status, printed = self.fettle("verify", *against, "--json")
        told: dict[str, Any] = json.loads(printed)
        assert (status == 0) == (not told["findings"])
        return status, {(each["wrong"], each["number"]) for each in told["findings"]}


@pytest.mark.rule("AC-74", "TS-61", "TS-63")
def test_whoever_changes_the_record_in_the_database_is_found_by_the_command(
    installation: Installation, tmp_path: Path
) -> None:
    acme = installation.create_org("acme")
    record, then = Record(installation, acme), str(tmp_path / "then.jsonl")
    lift = {"title": "Lift 3", "subject": {"type": "other", "id": "lift-3"}}
    for _ in range(3):
        assert acme.post("/tickets", lift).status_code == 201
    for number in (1, 2, 3):
        assert acme.post(f"/tickets/{number}/comments", {"comment": "Called the vendor."}).status_code == 200
    assert record.found() == (0, set())

    record.tamper(*(f"CREATE TABLE kept_{table} AS TABLE {table}" for table in KEPT))
    assert acme.post("/tickets/2/comments", {"comment": "They never came."}).status_code == 200
    assert record.fettle("export", "--timelines", "-o", then)[0] == 0
    assert record.found("--export", then, "--topic") == (0, set())

    def changed_by(*statements: str) -> set[tuple[str, int | None]]:
        record.tamper(*(f"CREATE TABLE sound_{table} AS TABLE {table}" for table in KEPT), *statements)
        status, found = record.found()
        record.tamper(*_back("sound"))
        assert (status, record.found()) == (1, (0, set()))
        return found

    second = "(SELECT id FROM ticket WHERE number = 2)"
    altered = changed_by(f"UPDATE entry SET body = 'They came.' WHERE ticket_id = {second} AND version = 3")
    assert ("entry_altered", 2) in altered
    removed = changed_by(f"DELETE FROM entry WHERE ticket_id = {second} AND version = 2")
    assert ("entry_missing", 2) in removed
    assert changed_by("UPDATE ticket SET number = 7 WHERE number = 3")

    # The last comment taken back with all that follows from it: the record fits itself, and not what others have seen.
    record.tamper(*_back("kept"))
    assert record.found() == (0, set())
    assert record.found("--export", then) == (1, {("entry_missing", 2)})
    assert record.found("--topic") == (1, {("entry_missing", 2)})


def _back(which: str) -> list[str]:
    """What these tables were, and the copies gone."""
    statements = ["SET session_replication_role = replica"]  # as an owner can: no key of another table is in the way
    for table in KEPT:
        copy = f"{which}_{table}"
        statements += [f"DELETE FROM {table}", f"INSERT INTO {table} TABLE {copy}", f"DROP TABLE {copy}"]
    return statements
