"""Who asks about an instant that is over is told what held then, not what holds now."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from correlator_service import CorrelatorService
from judge_log import DEVICE, Judged, Log
from test_judge_verification import judging, monitored
from test_monitor_path import BRISK, beat, in_state
from test_why_api import until, why
from why_logs import KEY, extracted

from fettle_contracts.times import rfc3339
from fettle_health_monitor.domain.why.newcomers import Unwatched, turned_away
from fettle_health_monitor.domain.why.subject_log import judged

BEHIND_HUE_1 = {**BRISK, "overrides": [{"match": {"integration": "hue-1"}, "timeout_s": 3}]}
NEVER = Unwatched()


def says(service: CorrelatorService, path: str, **fields: Any) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        found = await service.get(path)
        return all(found[name] == value for name, value in fields.items())

    return so


def in_force(service: CorrelatorService, version: int) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return all(each["version"] == version for each in (await service.get("/health-policy"))["in_force"])

    return so


@pytest.mark.rule("HM-185", "HM-181", "HM-186")
@pytest.mark.forgets
async def test_what_follows_changes_nothing_about_an_instant_before(environment: dict[str, str]) -> None:
    """A device fires behind one integration, is silenced from an hour ago on, moves behind another, and is removed."""
    async with monitored(environment) as service:
        await service.call("PUT", "/health-policy", json=BEHIND_HUE_1)
        async with judging(service, version=3):
            await beat(service, "device/x1", integration="hue-1")
            await in_state(service, "device/x1", "firing")
            then = await until(service, "device/x1", called_for=True)
            assert then["policy"]["numbers"]["timeout_s"] == {"value": 3, "set_by": "integration hue-1"}
            assert then["change"] is not None

            began = rfc3339(datetime.now(UTC) - timedelta(hours=1))
            wanted = {"subject": "device/x1", "starts_at": began, "length_s": 7_200}
            made = await service.call("POST", "/silences", json=wanted)
            assert made.status_code == 201, made.text
            await beat(service, "device/x1", integration="hue-2")
            await service.eventually(says(service, "/subjects/device/x1", integration="hue-2"))
            past = await why(service, "device/x1", at=then["at"])
            for part in ("because", "policy", "state", "called_for"):
                assert past[part] == then[part]
            assert past["change"]["what"] == then["change"]["what"]

            long_ago = await why(service, "device/x1", at="2020-01-01T00:00:00Z")
            assert (long_ago["policy"], long_ago["replayed"]) == (None, None)

            assert (await service.call("DELETE", "/subjects/device/x1")).status_code in (202, 204)
            gone = await until(service, "device/x1", suppressed_by="removed")
            assert gone["because"].startswith("It was removed at ")


@pytest.mark.rule("HM-186", "HM-182")
@pytest.mark.forgets
async def test_a_newcomer_was_turned_away_between_its_first_heartbeat_and_its_registration(
    environment: dict[str, str],
) -> None:
    async with monitored(environment) as service:
        await service.call("PUT", "/health-policy", json={**BRISK, "enabled": False})
        async with judging(service, version=3):
            await beat(service, "device/off")
            await until(service, "device/off", suppressed_by="not_enabled")
            await service.call("PUT", "/health-policy", json={**BRISK, "discover": "list_only"})
            await service.eventually(in_force(service, 4))
            off = await why(service, "device/off")
            assert (off["suppressed_by"], off["replayed"]["ignored"]) == ("not_enabled", {"switched_off": 1})
            assert "the org's health monitor was switched off" in off["because"]

            begun = await until(service, "device/new", suppressed_by="never_heard")
            await beat(service, "device/new")
            listed = await until(service, "device/new", suppressed_by="list_only", no_change=None)
            assert (await why(service, "device/new", at=begun["at"]))["suppressed_by"] == "never_heard"
            await service.call("PUT", "/subjects/device/new", json={"name": "New"})
            await in_state(service, "device/new", "healthy", "pending_open", "firing")
            past = await why(service, "device/new", at=listed["at"])
            assert (past["suppressed_by"], past["change"]["what"]) == ("list_only", "discover")


@pytest.mark.rule("HM-186")
@pytest.mark.parametrize(
    ("known", "why"),
    [
        (NEVER, None),
        (Unwatched(by_now="subject_cap"), "subject_cap"),
        (Unwatched(came_up=True), "subject_cap"),
        (Unwatched(removed_at=1, by_now="list_only", since=0), None),
        (Unwatched(removed_at=1, by_now="list_only", since=2), "list_only"),
    ],
    ids=["watched all along", "listed still", "watched later", "removed", "removed and listed since"],
)
def test_the_cap_counts_others_so_that_the_record_says_whom_it_turned_away(known: Unwatched, why: str | None) -> None:
    log = extracted(Log().policy().beat(), 1, Log().ms + 1_000)
    assert turned_away(judged(log), log, known) == why


@pytest.mark.rule("HM-186")
def test_the_log_says_whom_an_org_only_listed() -> None:
    """From its first heartbeat on; in a state that is kept later it stands too."""
    log = Log().policy(discover="list_only").pulsed(1)
    early = extracted(log, 1, log.ms)
    log.pulsed(2).beat(DEVICE).pulsed(5)
    listed_at = log.ms - 2_000
    late = extracted(log, 1, listed_at)
    kept = extracted(log, len(log.records) - 1, log.ms)
    assert Judged().fold(log, len(log.records) - 1).shard.newcomers.listed["acme"][KEY.decode()] == "list_only"
    for now in (NEVER, Unwatched(by_now="list_only", since=listed_at), Unwatched(came_up=True)):
        assert turned_away(judged(early), early, now) is None
        assert turned_away(judged(late), late, now) == "list_only"
        assert turned_away(judged(kept), kept, now) == "list_only"
