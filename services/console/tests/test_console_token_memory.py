"""Which tokens are known to count while strangers guess: whoever holds one is not held up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from fettle_chassis.database import Database
from fettle_console.adapters import tokens as memory
from fettle_console.adapters.bearers import Bearers
from fettle_console.adapters.tokens import Tokens
from fettle_console.domain.credentials import hash_of

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
ENDS = NOW + timedelta(hours=1)
BOOTSTRAP = "the installation's own"


class Rows:
    """A database with one token, until it is revoked."""

    def __init__(self) -> None:
        self.there = True

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        yield self

    async def execute(self, query: Any, said: dict[str, Any]) -> Any:
        row = SimpleNamespace(id=UUID(int=1), org="acme", role="ingest", name="Gateway", created_by="ann")
        row.created_at, row.used_at, row.expires_at = NOW - timedelta(days=1), NOW, ENDS
        there = self.there and said["hash"] == hash_of("ftl_good")
        return SimpleNamespace(one_or_none=lambda: row if there else None)


@pytest.mark.rule("AC-116")
async def test_a_token_that_has_counted_is_known_until_it_ends_or_is_found_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "REMEMBERED_S", 0.0)  # every use is looked up anew
    rows = Rows()
    bearers = Bearers(Tokens(cast(Database, rows)), BOOTSTRAP)
    assert (bearers.counted("ftl_good", NOW), bearers.counted(BOOTSTRAP, NOW)) == (False, True)
    assert await bearers.token("ftl_good", NOW)
    assert await bearers.token("ftl_made_up", NOW) is None
    assert (bearers.counted("ftl_good", NOW), bearers.counted("ftl_made_up", NOW)) == (True, False)
    assert not bearers.counted("ftl_good", ENDS)
    rows.there = False
    assert await bearers.token("ftl_good", NOW) is None
    assert not bearers.counted("ftl_good", NOW)


@pytest.mark.rule("AC-1")
async def test_a_token_that_another_process_revoked_counts_for_five_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, clock = Rows(), SimpleNamespace(at=100.0)
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: clock.at))
    bearers = Bearers(Tokens(cast(Database, rows)), None)
    assert await bearers.token("ftl_good", NOW)
    rows.there = False
    clock.at = 104.9
    assert await bearers.token("ftl_good", NOW), "it was looked up just now"
    clock.at = 105.0
    assert await bearers.token("ftl_good", NOW) is None
