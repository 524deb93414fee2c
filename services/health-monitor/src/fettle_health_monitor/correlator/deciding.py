"""Verdicts that are ready become outcomes, and outcomes commands."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.topics import COMMANDS as COMMANDS_TOPIC
from fettle_health_monitor.adapters.correlator import incidents, policies, verdicts
from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.adapters.correlator.policies import KnownOrg
from fettle_health_monitor.adapters.correlator.transitions import SOURCE
from fettle_health_monitor.adapters.correlator.verdicts import Decided
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.correlator.commands import Sent, of_outcome
from fettle_health_monitor.domain.correlator.decide import Facts, Switches, decide
from fettle_health_monitor.domain.correlator.evidence import with_decision
from fettle_health_monitor.domain.correlator.incident import Asking, Incident
from fettle_health_monitor.domain.correlator.verdicts import Verdict
from fettle_health_monitor.metrics import COMMANDS, OUTCOMES

log = structlog.get_logger(__name__)

Ready: TypeAlias = tuple[Verdict, Behind]
"""A verdict, and the shards that it is decided without."""

Incidents: TypeAlias = dict[Key, dict[str, Incident]]


class Deciding:
    """Decides verdicts and sends what follows. `now` is the wall clock: it dates commands and rows, nothing else."""

    def __init__(self, signer: Signer, now: Callable[[], datetime]) -> None:
        self._signer, self._now = signer, now

    async def decide(self, work: UnitOfWork, ready: Sequence[Ready], orgs: Mapping[str, KnownOrg]) -> None:
        """Ends each of these verdicts in exactly one outcome, in their order. `orgs` are theirs, locked; an org that is
        missing there is not known."""
        connection = work.connection
        keys = {(verdict.org, verdict.subject) for verdict, _ in ready}
        known: Incidents = {key: {} for key in keys}
        for (org, subject, condition), incident in (await incidents.of_subjects(connection, keys)).items():
            known[org, subject][condition] = incident
        switches = await self._switches(connection, [verdict for verdict, _ in ready])
        decided = []
        touched: dict[incidents.About, Incident] = {}
        for verdict, behind in ready:
            of_subject = known[verdict.org, verdict.subject]
            facts = Facts(
                switches=switches.get((verdict.org, verdict.policy_version)),
                org_deleted=verdict.org in orgs and orgs[verdict.org].deleted,
                incidents=of_subject,
            )
            one = _decided(verdict, facts, behind)
            decided.append(one)
            for command in one.commands:
                incident = of_subject.get(command.condition, Incident()).asking(_asking(command), command.id)
                of_subject[command.condition] = incident
                touched[verdict.org, verdict.subject, command.condition] = incident
        await verdicts.record(connection, decided, self._now())
        if touched:
            await incidents.save(connection, touched)
        for one in decided:
            self.send(work, one.commands)
            _tell(one)

    def send(self, work: UnitOfWork, commands: Sequence[Sent]) -> None:
        """Puts commands into the outbox, signed. The caller holds their org's row, so that they keep their order."""
        for command in commands:
            event = CloudEvent(
                id=str(command.id),
                source=SOURCE,
                type=command.verb.ce_type,
                time=self._now(),
                data=command.body.to_json(),
                key=command.org,
                causation_id=str(command.cause),
            )
            work.publish(Outgoing.of(self._signer.sign_event(event), COMMANDS_TOPIC))
            COMMANDS.labels(command.verb.value).inc()

    async def _switches(self, connection: AsyncConnection, ready: Sequence[Verdict]) -> dict[tuple[str, int], Switches]:
        """The switches in the versions that made these verdicts. A version that is not known (a database restored from
        an older state) is stood in for by the newest."""
        wanted = {(verdict.org, verdict.policy_version) for verdict in ready}
        switches = {key: version.switches for key, version in (await policies.versions(connection, wanted)).items()}
        missing = wanted - switches.keys()
        if missing:
            newest = await policies.newest(connection, {org for org, _ in missing})
            switches |= {key: newest[key[0]].switches for key in missing if key[0] in newest}
        return switches


def _decided(verdict: Verdict, facts: Facts, behind: Behind) -> Decided:
    outcome = decide(verdict, facts)
    version = facts.switches.version if facts.switches else verdict.policy_version
    evidence = with_decision(verdict.evidence, policy_version=version, since=verdict.since, behind=behind)
    return Decided(verdict, outcome, version, evidence, of_outcome(verdict, outcome, evidence))


def _asking(command: Sent) -> Asking:
    return "open" if command.verb == "open" else "resolve"


def _tell(decided: Decided) -> None:
    verdict, outcome = decided.verdict, decided.outcome
    OUTCOMES.labels(verdict.cause.value, outcome.name).inc()
    log.info(
        "verdict.decided",
        org=verdict.org,
        subject=verdict.subject,
        cause=verdict.cause.value,
        outcome=outcome.name,
        reason=outcome.reason,
        verdict=str(verdict.id),
    )
