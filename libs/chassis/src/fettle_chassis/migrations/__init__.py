"""Runs a service's migrations. `env.py` here serves all of them: a service's folder holds only `versions/`."""

import asyncio
from importlib.resources import files
from pathlib import Path
from threading import Lock

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger(__name__)

_LOCK_KEY = 0x46455454_4D494752
"""The advisory lock under which one process migrates a database while others wait."""
_ASK_EVERY_S = 0.2

_ONE_AT_A_TIME = Lock()
"""Alembic's `op` is one per process, whichever loop asks."""


async def upgrade(connection: AsyncConnection, package: str) -> None:
    """Upgrades to the newest revision; waits while another process does it, for as long as that takes. All revisions
    are one transaction, which ends where an index is built beside writes (`indexes.py`).

    `connection` is in no transaction, and closed afterwards: it keeps the lock. Whoever waits asks now and then and
    holds nothing meanwhile: an index that is built waits for every statement that is under way.
    """
    config = _config(package)
    while not _ONE_AT_A_TIME.acquire(blocking=False):  # noqa: ASYNC110 - an asyncio lock is of one loop
        await asyncio.sleep(_ASK_EVERY_S)
    try:
        waits = False
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK_KEY}):
            await connection.commit()
            if not waits:
                log.info("migrations.another_migrates", package=package)
            waits = True
            await asyncio.sleep(_ASK_EVERY_S)
        await connection.commit()
        await connection.run_sync(_run, config, package)
    finally:
        _ONE_AT_A_TIME.release()


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(files(package) / "migrations" / "versions"))
    return config


def _run(connection: Connection, config: Config, package: str) -> None:
    config.attributes["connection"] = connection
    with connection.begin():
        present = _present(connection)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        log.warning("migrations.database_is_newer", package=package, present=present)
        return
    command.upgrade(config, "head")


def _present(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
