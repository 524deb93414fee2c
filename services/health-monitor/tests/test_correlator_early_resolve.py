"""A ticket resolved while its subject is still unhealthy."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, PUBLISHING, T0, ticket

from fettle_contracts.commands import CommentOnTicket
from fettle_contracts.identity import SubjectType
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.ticket import Ticket, TicketSource, TicketState
from fettle_contracts.ticket_events import Entry, EntryType, TicketEvent
from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.early_resolve import KeepWatch, LetBe, Standing, after_resolve
from fettle_health_monitor.domain.correlator.incident import Asked, Incident
from fettle_health_monitor.domain.correlator.outcomes import Silenced
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

SHARD = ShardClock(shard=2, generation=1, at=T0, clock=500_000)
RESOLVED = Incident(ticket("resolved", version=2))


def event(actor: ActorType = ActorType.USER, type: EntryType = EntryType.RESOLVED, at: int = T0) -> TicketEvent:
    return TicketEvent(
        org="acme",
        entry=Entry(id=UUID(int=7), type=type, version=2, at=from_ms(at), actor=Actor(type=actor, id="ann@acme.test")),
        ticket=Ticket(
            id=UUID(int=42),
            number=42,
            title="Device offline: t17",
            state=TicketState.RESOLVED,
            source=TicketSource.HEALTH_MONITOR,
            kind=OFFLINE,
            subject=Subject(type=SubjectType.DEVICE, id="t17"),
            opened_at=from_ms(at) - timedelta(minutes=5),
            opened_by=Actor(type=ActorType.HEALTH_MONITOR),
            updated_at=from_ms(at),
            dedup_key="device/t17:device_offline",
            version=2,
        ),
    )


def standing(**more: Any) -> Standing:
    fields: dict[str, Any] = {
        "subject": "device/t17",
        "state": "firing",
        "condition": OFFLINE,
        "shard": SHARD,
        "switches": PUBLISHING,
        "open_debounce_s": 60,
        **more,
    }
    return Standing(**fields)


@pytest.mark.rule("HM-70")
@pytest.mark.parametrize("actor", [ActorType.USER, ActorType.WORKFLOW])
def test_an_early_resolve_stands_and_is_watched(actor: ActorType) -> None:
    decision = after_resolve(event(actor), OFFLINE, RESOLVED, standing())
    assert isinstance(decision, KeepWatch)
    body = decision.saying().body
    assert isinstance(body, CommentOnTicket)
    assert body.ticket.id == UUID(int=42)
    assert body.comment == (
        "Still offline. If that lasts until 2026-09-21T14:14:20.000Z, this ticket is reopened, unless a silence holds "
        "it back."
    )
    assert decision.watch.due_clock == 560_000


@pytest.mark.rule("HM-298")
def test_of_an_earlier_ticket_it_is_not_said_that_it_comes_back() -> None:
    later = ticket("resolved", version=2, number=43, id=43)
    incident = Incident(later, others=(ticket("resolved", version=2),))
    decision = after_resolve(event(), OFFLINE, incident, standing())
    assert isinstance(decision, KeepWatch)
    body = decision.saying().body
    assert isinstance(body, CommentOnTicket)
    assert body.ticket.id == UUID(int=42)
    assert body.comment == (
        "Still offline. If that lasts until 2026-09-21T14:14:20.000Z, a ticket is asked for again, unless a silence "
        "holds it back."
    )


@pytest.mark.rule("HM-70")
@pytest.mark.parametrize(("entry_at", "due"), [(T0 - 30_000, 560_000), (T0 + 4_000, 564_000)])
def test_the_resolve_counts_from_the_later_of_entry_and_shard(entry_at: int, due: int) -> None:
    decision = after_resolve(event(at=entry_at), OFFLINE, RESOLVED, standing())
    assert isinstance(decision, KeepWatch)
    assert decision.watch.due_clock == due


@pytest.mark.rule("HM-70", "HM-106")
def test_a_flapping_subject_is_unhealthy_and_said_to_flap() -> None:
    decision = after_resolve(event(), OFFLINE, RESOLVED, standing(state="flapping"))
    assert isinstance(decision, KeepWatch)
    body = decision.saying().body
    assert isinstance(body, CommentOnTicket)
    assert body.comment.startswith("Still flapping. If that lasts until")


@pytest.mark.rule("HM-71")
def test_pending_resolve_is_still_unhealthy_and_said_so() -> None:
    decision = after_resolve(event(), OFFLINE, RESOLVED, standing(state="pending_resolve"))
    assert isinstance(decision, KeepWatch)
    body = decision.saying().body
    assert isinstance(body, CommentOnTicket)
    assert body.comment.startswith("Heard again")


SILENCED = Silenced(UUID(int=3), "ann@acme.test", T0 + 600_000)


@pytest.mark.rule("HM-269")
@pytest.mark.parametrize(
    ("state", "silenced", "said"),
    [
        (
            "flapping",
            None,
            "Still flapping. If that lasts until 2026-09-21T14:14:20.000Z, this ticket is reopened, unless a silence "
            "holds it back.",
        ),
        (
            "firing",
            SILENCED,
            "Still offline. If that lasts until 2026-09-21T14:14:20.000Z and the end of the silence of ann@acme.test "
            "at 2026-09-21T14:23:20.000Z, a ticket is asked for again, unless another silence holds it back.",
        ),
        (
            "pending_resolve",
            None,
            "Heard again, but not for long enough to count. If it fails again, this ticket is reopened after "
            "2026-09-21T14:14:20.000Z, unless a silence holds it back.",
        ),
        (
            "pending_resolve",
            SILENCED,
            "Heard again, but not for long enough to count. If it fails again, a ticket is asked for again after "
            "2026-09-21T14:14:20.000Z and the end of the silence of ann@acme.test at 2026-09-21T14:23:20.000Z, unless "
            "another silence holds it back.",
        ),
    ],
)
def test_what_a_silence_would_hold_back_is_not_promised(state: str, silenced: Silenced | None, said: str) -> None:
    decision = after_resolve(event(), OFFLINE, RESOLVED, standing(state=state))
    assert isinstance(decision, KeepWatch)
    body = decision.saying(silenced).body
    assert isinstance(body, CommentOnTicket)
    assert body.comment == said


@pytest.mark.rule("HM-285")
@pytest.mark.parametrize("debounce_s", [60, 0])
def test_a_resolve_while_the_org_is_switched_off_is_watched_from_when_it_is_on_again(debounce_s: int) -> None:
    switched_off = Switches(3, enabled=False, publish_tickets=True)
    decision = after_resolve(event(), OFFLINE, RESOLVED, standing(switches=switched_off, open_debounce_s=debounce_s))
    assert isinstance(decision, KeepWatch)
    assert decision.watch.out_before(T0 + 3_600_000, replace(SHARD, clock=9_000_000)) is None
    body = decision.saying(SILENCED).body
    assert isinstance(body, CommentOnTicket)
    assert body.comment == (
        "The org is switched off, and nobody looks whether this lasts. If it does for "
        f"{debounce_s} s once that is on again, this ticket is reopened, unless a silence holds it back."
    )
    anew = decision.watch.begun_anew(SHARD, 1_000 * debounce_s)
    assert anew.due_clock == SHARD.clock + 1_000 * debounce_s


@pytest.mark.rule("HM-269")
def test_no_silence_holds_back_a_ticket_about_many() -> None:
    many = standing(subject="integration/hue-1", condition=MANY)
    decision = after_resolve(event(), MANY, RESOLVED, many)
    assert isinstance(decision, KeepWatch)
    for silenced in (None, SILENCED):
        body = decision.saying(silenced).body
        assert isinstance(body, CommentOnTicket)
        assert body.comment == (
            "Many of these devices are still offline. If that lasts until 2026-09-21T14:14:20.000Z, this ticket is "
            "reopened."
        )


@pytest.mark.rule("HM-70")
def test_an_open_that_nothing_has_answered_may_be_older_than_the_resolve() -> None:
    unanswered = Incident(ticket("resolved", version=2), Asked("open", UUID(int=5)))
    assert isinstance(after_resolve(event(), OFFLINE, unanswered, standing()), KeepWatch)


off = Switches(3, enabled=True, publish_tickets=False)


@pytest.mark.rule("HM-70")
@pytest.mark.parametrize(
    ("happened", "incident", "now", "because"),
    [
        (event(ActorType.HEALTH_MONITOR), RESOLVED, standing(), "not_by_somebody"),
        (event(type=EntryType.STARTED), RESOLVED, standing(), "not_by_somebody"),
        (event(), Incident(ticket("open", version=3)), standing(), "overtaken"),
        (event(), Incident(ticket("resolved", number=43, id=43)), standing(), "overtaken"),
        (event(), RESOLVED, None, "healthy"),
        (event(), RESOLVED, standing(state="healthy", condition=None), "healthy"),
        (event(), RESOLVED, standing(state="pending_open"), "healthy"),
        (event(), RESOLVED, standing(condition="integration_unreachable"), "healthy"),
        (event(), RESOLVED, standing(switches=off), "not_published"),
    ],
)
def test_when_nothing_follows(happened: TicketEvent, incident: Incident, now: Standing | None, because: str) -> None:
    assert after_resolve(happened, OFFLINE, incident, now) == LetBe(because)  # type: ignore[arg-type]


@pytest.mark.rule("HM-70", "HM-82")
@pytest.mark.parametrize(
    ("kind", "cause"),
    [(WatchKind.EARLY_RESOLVE, Cause.STILL_UNHEALTHY), (WatchKind.HEALTHY_ANEW, Cause.RECOVERED)],
)
def test_a_watch_that_is_due_calls_for_its_verdict(kind: WatchKind, cause: Cause) -> None:
    watch = Watch.begin(
        kind,
        cause=UUID(int=7),
        org="acme",
        subject="device/t17",
        condition=OFFLINE,
        shard=SHARD,
        since_at=0,
        lasting_ms=1,
    )
    first, again = (watch.verdict(at=T0 + 1, policy_version=3, named=Named()) for _ in range(2))
    assert first == again
    assert (first.cause, first.since, first.condition) == (cause, T0, OFFLINE)


@pytest.mark.rule("HM-83")
def test_another_policy_retimes_from_the_same_start() -> None:
    decision = after_resolve(event(), OFFLINE, RESOLVED, standing())
    assert isinstance(decision, KeepWatch)
    assert decision.watch.lasting(5_000, SHARD).due_clock == 505_000
    assert decision.watch.lasting(5_000, SHARD).due_at == T0 + 5_000
