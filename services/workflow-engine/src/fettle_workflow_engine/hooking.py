"""The hook of a workflow: who has its secret, and how secrets are made and end."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine.adapters import hook_rows, workflow_rows
from fettle_workflow_engine.adapters.hook_keys import HookKeys
from fettle_workflow_engine.adapters.hook_rows import HookSecret
from fettle_workflow_engine.domain.hooks import Genuine, Refusal, examine

log = structlog.get_logger(__name__)


class Hooks:
    """All hooks of an installation."""

    def __init__(self, database: Database, keys: HookKeys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def examine(self, org: str, workflow: str, headers: Mapping[str, str], body: bytes) -> Genuine | Refusal:
        """Whether a request carries a secret of the hook that holds now. A hook that there is not refuses as one whose
        secret is another."""
        now = self._clock()
        async with self._database.reading() as connection:
            holding = await hook_rows.holding(connection, org, workflow, now)
        texts = [self._keys.secret(org, workflow, secret.origin) for secret in holding]
        return examine(headers, body, [text for text in texts if text], now)

    async def secrets(self, work: UnitOfWork, org: str, workflow: str) -> list[HookSecret] | None:
        """Those that hold, the newest first; None when there is no such workflow."""
        if await workflow_rows.find(work.connection, org, workflow) is None:
            return None
        return await hook_rows.holding(work.connection, org, workflow, self._clock())

    def usable(self, secret: HookSecret) -> bool:
        """Whether the key that the secret came from is still known."""
        return self._keys.knows(secret.origin)

    async def make(
        self, work: UnitOfWork, org: str, workflow: str, id: UUID, *, salt: bytes, by: str, old_holds_s: int
    ) -> tuple[HookSecret, str] | None:
        """A new secret with its text. The newest before it holds for `old_holds_s` more, those before that not any
        more. None when there is no such workflow."""
        await workflow_rows.lock_org(work.connection, org)
        before = await self.secrets(work, org, workflow)
        if before is None:
            return None
        now = self._clock()
        last, older = [secret.id for secret in before[:1]], [secret.id for secret in before[1:]]
        await hook_rows.end(work.connection, org, workflow, last, now + timedelta(seconds=old_holds_s))
        await hook_rows.end(work.connection, org, workflow, older, now)
        origin, text = self._keys.make(org, workflow, salt)
        secret = HookSecret(id, origin, now, by)
        await hook_rows.add(work.connection, org, workflow, secret)
        log.info("hook.secret_made", org=org, workflow=workflow, secret=str(id), by=by)
        return secret, text

    async def end(self, work: UnitOfWork, org: str, workflow: str, id: UUID, by: str) -> bool:
        """Whether there was such a secret; it holds no more."""
        ended = await hook_rows.end(work.connection, org, workflow, [id], self._clock())
        if ended:
            log.info("hook.secret_ended", org=org, workflow=workflow, secret=str(id), by=by)
        return bool(ended)
