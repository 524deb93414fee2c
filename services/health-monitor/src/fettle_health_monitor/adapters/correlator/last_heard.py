"""When a subject was last heard. Healthy subjects are heard all the time, so this never reaches Postgres: the owner of
the subject's shard answers from memory, and when it does not, the shard's last checkpoint does."""

import asyncio
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

import httpx2

from fettle_chassis.database import Database
from fettle_chassis.service import Part
from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import from_ms, parse_time
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, Stored
from fettle_health_monitor.domain.judge.checkpoint import Snapshot

ACTOR = "fettle/health-monitor"


@dataclass(frozen=True, slots=True)
class LastHeard:
    """When it was heard (None: never), as of when, and who says so."""

    at: datetime | None
    as_of: datetime
    told_by: Literal["owner", "checkpoint"]


class Listeners(Part):
    """Asks owners, and reads checkpoints in their absence, one at a time: a checkpoint holds a whole shard."""

    name = "listeners"

    def __init__(
        self, database: Database, keys: Sequence[SigningKey], *, within_s: float, now: Callable[[], datetime]
    ) -> None:
        self._checkpoints = Checkpoints(database, address="")
        self._keys, self._now, self._within_s = keys, now, within_s
        self._reading = asyncio.Lock()
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        self._client = httpx2.AsyncClient(timeout=self._within_s, trust_env=False)

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def last_heard(self, shard: int, address: str | None, key: HeartbeatKey) -> LastHeard | None:
        """None when neither owner nor checkpoint knows the subject. Waits for the owner as long as the setting says."""
        told = None if address is None else await self._ask(address, key)
        return told or await self._look_up(shard, key)

    async def last_heard_of(self, org: str, wanted: Mapping[str, Sequence[str]]) -> dict[str, LastHeard]:
        """Of the subjects (`type/id`) of each address, those that are told by the owner there: a list does without the
        others, as a checkpoint for each of its shards would cost too much. All are asked at once."""
        answers = await asyncio.gather(*(self._ask_many(address, org, some) for address, some in wanted.items()))
        return {subject: heard for told in answers for subject, heard in told}

    async def _ask_many(self, address: str, org: str, subjects: Sequence[str]) -> Iterable[tuple[str, LastHeard]]:
        if self._client is None:
            return ()
        try:
            answer = await self._client.post(
                f"{address}/internal/last-heard/{org}", json=list(subjects), headers=self._credentials(org)
            )
        except httpx2.HTTPError:
            return ()
        if answer.status_code != httpx2.codes.OK:
            return ()
        return [(subject, _told(body)) for subject, body in answer.json().items()]

    def _credentials(self, org: str) -> dict[str, str]:
        token = issue(self._keys, Caller(org, Role.VIEWER, ACTOR), self._now())
        return {"Authorization": f"Bearer {token}"}

    async def _ask(self, address: str, key: HeartbeatKey) -> LastHeard | None:
        if self._client is None:
            return None
        path = f"{key.org}/{key.subject.type}/{quote(key.subject.id)}"
        try:
            answer = await self._client.get(f"{address}/internal/subjects/{path}", headers=self._credentials(key.org))
        except httpx2.HTTPError:
            return None
        if answer.status_code != httpx2.codes.OK:
            return None
        return _told(answer.json())

    async def _look_up(self, shard: int, key: HeartbeatKey) -> LastHeard | None:
        async with self._reading:
            stored = await self._checkpoints.load(shard)
            return None if stored is None else await asyncio.to_thread(_find, stored, key.encode())


def _told(body: Mapping[str, str | None]) -> LastHeard:
    heard, as_of = body["last_heard"], body["as_of"]
    return LastHeard(None if heard is None else parse_time(heard), parse_time(str(as_of)), "owner")


def _find(stored: Stored, key: bytes) -> LastHeard | None:
    saved = stored.unpack()
    if not isinstance(saved, Snapshot):
        return None
    keys = saved.keys.split(b"\0")
    if key not in keys:
        return None
    heard_at = array("q", saved.columns["heard_at"])[keys.index(key)]
    said = saved.clock[3]
    return LastHeard(from_ms(heard_at) if heard_at else None, from_ms(said), "checkpoint")
