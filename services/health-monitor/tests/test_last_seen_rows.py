"""What was last seen of subjects and of tickets about many, row by row: whose it is, and when. On a real database."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from correlator_facts import OFFLINE
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE
from sqlalchemy import text
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.adapters.correlator import last_seen
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

SINCE = rfc3339(from_ms(1_000))
INTEGRATION = "integration/hue-1"


def out(kind: WatchKind, subject: str, at: int, condition: str = OFFLINE, org: str = "acme") -> RunOut:
    fields = {"start_at": 0, "start_clock": 0, "due_clock": 0, "shard": 0, "generation": 1}
    about = {"org": org, "subject": subject, "condition": condition}
    return RunOut(0, Watch(kind=kind, cause=UUID(int=1), **about, **fields), at)  # type: ignore[arg-type]


@pytest.mark.rule("HM-265", "HM-302")
async def test_the_last_change_by_an_instant_that_made_it_so_is_found(environment: dict[str, str]) -> None:
    """Also where no index brings changes in their order."""
    told = [
        ("acme", "device/a", 3, "pending_open"),
        ("acme", "device/a", 5, "firing"),
        ("acme", "device/a", 5, "flapping"),
        ("acme", "device/a", 6, "pending_resolve"),
        ("acme", "device/a", 7, "healthy"),
        ("acme", "device/a", 8, None),
        ("acme", "device/a", 11, "firing"),
        ("other", "device/a", 9, "firing"),
        ("acme", "device/b", 9, "firing"),
        ("acme", "device/c", 3, "pending_open"),
        ("acme", "device/c", 4, "healthy"),
        ("acme", "device/c", 4, "pending_resolve"),
    ]
    async with CorrelatorWorld.open(environment, org=None) as world:
        for number, (org, subject, at, state) in enumerate(told):
            body = f'{{"since": "{SINCE}", "evidence": {{}}, "flap_count": {number}}}'
            await put(world, "transition", id=uuid4(), org=org, subject=subject, to_state=state, at=at, body=body)
        async with unit_of_work(world.database) as work:
            connection = work.connection
            for scan in ("indexscan", "bitmapscan"):
                await connection.execute(text(f"SET LOCAL enable_{scan} = off"))
            down = await last_seen.of_those_down(connection, {("acme", "device/a"): 10, ("acme", "device/c"): 10})
            asked = {
                out(WatchKind.EARLY_RESOLVE, "device/a", 4): 0,
                out(WatchKind.EARLY_RESOLVE, "device/a", 5): 2,
                out(WatchKind.HEALTHY_ANEW, "device/a", 7): 4,
                out(WatchKind.HEALTHY_ANEW, "device/a", 10): 5,
                out(WatchKind.HEALTHY_ANEW, "device/c", 4): 11,
                out(WatchKind.EARLY_RESOLVE, "device/a", 9, org="other"): 7,
            }
            found = await last_seen.by_then(connection, [*asked, out(WatchKind.EARLY_RESOLVE, "device/a", 2)])
        assert {subject: seen.flap_count for (_, subject), seen in down.items()} == {"device/a": 2, "device/c": 9}
        assert {watch: seen.flap_count for watch, seen in found.items()} == asked


@pytest.mark.rule("HM-265", "HM-302")
@pytest.mark.forgets
async def test_who_called_last_for_a_ticket_about_many_is_found(environment: dict[str, str]) -> None:
    """A list that has become short asks for nothing."""
    async with CorrelatorWorld.open(environment, org=None) as world:

        async def asked(at: int, by: str, **more: Any) -> None:
            id = uuid4()
            fields = {"org": "acme", "condition": OFFLINE, "cause": "firing", "outcome": "opened", "reason": ""}
            seen = {"policy_version": 1, "evidence": f'{{"since": "{SINCE}", "at": {at}}}', "decided_at": from_ms(at)}
            await put(world, "outcome", verdict=id, subject=by, at=at, **fields, **seen)
            command = {"org": "acme", "subject": INTEGRATION, "condition": MANY, "verb": "open", **more}
            await put(world, "command", id=uuid4(), verdict=id, sent_at=from_ms(at), **command)

        await asked(2, "device/late")
        await asked(1, "device/early")
        await asked(3, "device/c", org="other")
        await asked(3, "device/d", condition=UNREACHABLE)
        await asked(3, "device/e", subject="integration/hue-2")
        await asked(3, "device/f", verb="resolve")
        await asked(3, "integration/hue-3", subject="integration/hue-3")
        refused = out(WatchKind.OPEN_REFUSED, INTEGRATION, 9, MANY)
        own = out(WatchKind.OPEN_REFUSED, "integration/hue-3", 9, MANY)
        async with world.database.reading() as connection:
            found = await last_seen.by_then(connection, [out(WatchKind.FEW_LEFT, INTEGRATION, 9, MANY), refused, own])
        assert found.keys() == {refused, own}
        assert found[refused].evidence == {"since": SINCE, "at": 2, "first": "device/late"}
        assert found[own].evidence == {"since": SINCE, "at": 3}
