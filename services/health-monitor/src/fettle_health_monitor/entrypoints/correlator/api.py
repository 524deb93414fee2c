"""What all routes of the health API need."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.http import Problem, keepable
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import from_ms
from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.last_heard import Listeners
from fettle_health_monitor.adapters.correlator.partitions import Partitions
from fettle_health_monitor.correlator.hearing import Hearing
from fettle_health_monitor.correlator.policies import Policies
from fettle_health_monitor.correlator.registry import Registry
from fettle_health_monitor.correlator.rounds import Rounds
from fettle_health_monitor.correlator.silences import Silences
from fettle_health_monitor.correlator.verifying import Verifying
from fettle_health_monitor.correlator.why import Why
from fettle_health_monitor.domain.correlator.clocks import judged_until
from fettle_health_monitor.entrypoints.correlator.overview_shapes import Overview

Filter = Annotated[str | None, AfterValidator(lambda text: text and keepable(text))]
"""What narrows a list; one that is empty narrows nothing."""


@dataclass(frozen=True, slots=True)
class HealthApi:
    """The parts behind the routes."""

    database: Database
    partitions: Partitions
    controls: ControlLog
    policies: Policies
    registry: Registry
    silences: Silences
    listeners: Listeners
    verifying: Verifying
    why: Why
    hearing: Hearing
    overviews: Rounds[tuple[str, bool], Overview]
    acknowledged_within_s: float

    async def as_of(self, connection: AsyncConnection, org: str) -> datetime | None:
        """The time up to which the org's heartbeats have been judged; None before every shard has said. Read before
        what is told up to then: what is judged in between comes along, and nothing is missing."""
        clocks = await progress.clocks(connection, self.partitions.of_org(org))
        until = judged_until(clocks.values(), self.partitions.shards())
        return None if until is None else from_ms(until)


def key_of(org: str, type_: str, id_: str) -> HeartbeatKey:
    """The subject of a path. Raises `Problem` (404) for what cannot be one that is watched."""
    try:
        return HeartbeatKey.parse(f"{org}/{type_}/{id_}")
    except ValueError as error:
        raise Problem(404, ProblemCode.NOT_FOUND, str(error)) from None


def subject_of(written: str) -> str:
    """`type/id` in a query. Raises `Problem` (400)."""
    try:
        return str(SubjectRef.parse(written))
    except ValueError as error:
        raise Problem(400, ProblemCode.MALFORMED, str(error), field="subject") from None
