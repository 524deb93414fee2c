"""An org's secrets, opened for a call."""

from collections.abc import Iterable

import structlog

from fettle_chassis.database import Database
from fettle_chassis.patience import is_transient, patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import secret_rows
from fettle_workflow_engine.adapters.secret_box import SecretBox, Unreadable
from fettle_workflow_engine.domain.calls import Failed, Retry
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.secrets import secret_missing

log = structlog.get_logger(__name__)

BATCH = 100
PATIENCE_S = 3_600.0


class Vault:
    """Opens secrets. What it gives is to be forgotten with the call."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    async def open(self, org: str, names: Iterable[str]) -> dict[str, str] | Failed | Retry:
        """The values by name; or why a call that needs them cannot be made. Asks the database."""
        wanted = frozenset(names)
        if not wanted:
            return {}
        try:
            async with self._database.reading() as connection:
                found = await secret_rows.sealed(connection, org, wanted)
        except Exception as error:
            if not is_transient(error):
                raise
            return Retry(Failure("unavailable", "The org's secrets cannot be read now."))
        if absent := wanted - found.keys():
            return Failed(secret_missing(absent))
        values = {}
        for name, secret in found.items():
            try:
                values[name] = self._box.open(org, name, secret)
            except Unreadable as error:
                log.error("secret.unreadable", org=org, secret=name, reason=str(error))
                return Retry(Failure("secret_unreadable", f"The secret {name} cannot be read: {error}."))
        return values


class Resealing(Part):
    """Once, after the start: what older keys have sealed is sealed under the newest, so that those can be dropped. A
    database that is away for an hour stops the service."""

    name = "resealing"

    def __init__(self, database: Database, box: SecretBox, *, on: bool) -> None:
        self._database = database
        self._box = box
        self._on = on

    async def run(self) -> None:
        if not self._on:
            return
        total = 0
        try:
            while resealed := await patiently(self._some, within_s=PATIENCE_S):
                total += resealed
        except Unreadable as error:
            log.error("secrets.not_resealed", reason=str(error))
        if total:
            log.info("secrets.resealed", count=total, key=self._box.newest)

    async def _some(self) -> int:
        async with unit_of_work(self._database) as work:
            return await secret_rows.reseal(work.connection, self._box, BATCH)
