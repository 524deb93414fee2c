"""A person or workflow resolves a ticket of the monitor's while its subject is still unhealthy.

The resolve stands, a comment says what will happen, and after one more open debounce of unhealth the ticket is asked
for again, as soon as no silence holds it back. Pending resolve is still unhealthy, but nothing is reopened while the
subject reports: when the time is up it must be firing, or fire later without having been healthy in between.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.times import to_ms
from fettle_contracts.transitions import FAILING, Condition, HealthState
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.commands import OwnCommand, comment
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.outcomes import Silenced
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

STILL: dict[str, str] = {
    Condition.DEVICE_OFFLINE: "Still offline.",
    Condition.INTEGRATION_UNREACHABLE: "Still unreachable.",
    Condition.INTEGRATION_CREDENTIALS_INVALID: "The credentials are still invalid.",
    MANY: "Many of these devices are still offline.",
    LOST: "Heartbeats are still not arriving.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The subject as the correlator knows it when the resolve arrives. `open_debounce_s` is the subject's own."""

    subject: str
    state: str | None
    condition: str | None
    shard: ShardClock
    switches: Switches
    open_debounce_s: float


@dataclass(frozen=True, slots=True)
class KeepWatch:
    """The resolve was early: say so, and look again when `watch` is due. `latest`: no ticket of its key is later, so it
    is this one that comes back."""

    watch: Watch
    ticket: UUID
    state: str | None
    latest: bool = True

    def saying(self, silenced: Silenced | None = None) -> OwnCommand:
        """The comment that says what will happen. `silenced` is by the silence that covers the instant at which the
        watch is due, as far as that is known: another one may be made, and that one removed. Where the org is switched
        off it is not known when that will be."""
        watch, until = self.watch, f"{instant(self.watch.due_at)}"
        again = "this ticket is reopened" if self.latest else "a ticket is asked for again"
        unless = "" if watch.is_about_many else ", unless a silence holds it back"
        if silenced is not None and not watch.is_about_many and not watch.stands_still:
            until += f" and the end of the silence of {silenced.by} at {instant(silenced.until)}"
            again, unless = "a ticket is asked for again", ", unless another silence holds it back"
        if watch.stands_still:
            text = (
                "The org is switched off, and nobody looks whether this lasts. If it does for "
                f"{watch.lasting_ms / 1000:g} s once that is on again, {again}{unless}."
            )
        elif self.state == HealthState.PENDING_RESOLVE:
            text = f"Heard again, but not for long enough to count. If it fails again, {again} after {until}{unless}."
        else:
            still = "Still flapping." if self.state == HealthState.FLAPPING else STILL[watch.condition]
            text = f"{still} If that lasts until {until}, {again}{unless}."
        return comment(watch.org, self.ticket, text, at=watch.start_at, caused_by=watch.cause)


@dataclass(frozen=True, slots=True)
class LetBe:
    """Nothing follows from the resolve."""

    because: Literal["not_by_somebody", "overtaken", "healthy", "not_published"]


EarlyResolve: TypeAlias = KeepWatch | LetBe


def after_resolve(event: TicketEvent, condition: str, incident: Incident, standing: Standing | None) -> EarlyResolve:
    """What follows from an event that resolved a ticket of the monitor's.

    `incident` is as it stands after the event was taken in; `standing` is None for a subject that is not known.
    The fact holds from the later of the shard's time and the entry's. An open that nothing has answered is no reason to
    let it be: it may be older than the resolve. If it is newer, the watch ends at a ticket that is open already.
    """
    if event.entry.type is not EntryType.RESOLVED or event.entry.actor.type is ActorType.HEALTH_MONITOR:
        return LetBe("not_by_somebody")
    known = [one.id for one in incident.tickets]
    if event.ticket.id not in known or incident.ticket is None or incident.ticket.unresolved:
        return LetBe("overtaken")
    if standing is None or standing.state not in FAILING or standing.condition != condition:
        return LetBe("healthy")
    if not standing.switches.publish_tickets:
        return LetBe("not_published")
    watch = Watch.begin(
        WatchKind.EARLY_RESOLVE,
        cause=event.entry.id,
        org=event.org,
        subject=standing.subject,
        condition=condition,
        shard=standing.shard,
        since_at=to_ms(event.entry.at),
        lasting_ms=round(standing.open_debounce_s * 1000),
        runs=standing.switches.enabled,
    )
    return KeepWatch(watch, event.ticket.id, standing.state, latest=event.ticket.id == known[-1])
