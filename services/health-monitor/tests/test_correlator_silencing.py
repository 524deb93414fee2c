"""Silences on a real database: what they hold back, and what they do not."""

from uuid import UUID

import pytest
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from silenced_world import DAY, FIRING, HEALTHY, RESOLVING, fire, held, move, opened
from sqlalchemy import text
from structlog.testing import capture_logs

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import silences
from fettle_health_monitor.adapters.correlator.silence_register import Selection
from fettle_health_monitor.correlator.silences import Wanted
from fettle_health_monitor.domain.correlator.recurrence import beginnings
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.metrics import SILENCES_UNREAD


@pytest.mark.rule("HM-120", "HM-123", "HM-126")
@pytest.mark.parametrize(
    ("fires_at", "silenced"), [(T0 + 9_999, False), (T0 + 10_000, True), (T0 + 69_999, True), (T0 + 70_000, False)]
)
async def test_a_silence_holds_back_what_falls_into_it(
    environment: dict[str, str], fires_at: int, silenced: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0 + 10_000, 60))
        await fire(world, fires_at)
        await world.tick(fires_at + 1)
        outcome = "silenced" if silenced else "opened"
        assert await world.outcomes() == [("firing", outcome)]
        assert len(await world.commands()) == (0 if silenced else 1)
        (row,) = await world.rows("SELECT reason FROM outcome")
        if silenced:
            assert row.reason == f"silence {id} of ann@acme.test lasts until 2026-09-21T14:14:30.000Z"
        assert await held(world) == ({id: 1} if silenced else {})


@pytest.mark.rule("HM-120", "HM-137")
async def test_no_silence_is_unfolded_from_its_start_when_a_verdict_is_decided(environment: dict[str, str]) -> None:
    """More of them than are remembered, each with a start of its own; T0 lies in the occurrence of the tenth day."""
    async with CorrelatorWorld.open(environment) as world:
        for number in range(5):
            start = T0 - 9 * DAY - 60_000 - number
            await world.silence(Schedule(start, 3_600, "FREQ=DAILY;COUNT=3650", "UTC"), f"device/d{number}")
        beginnings.cache_clear()
        for number in range(5):
            await fire(world, T0 + 1_000, f"device/d{number}")
        await world.tick(T0 + 2_000)
        await world.tick(T0 + 3_600_000)
        assert await world.outcomes() == [("firing", "silenced")] * 5 + [("silence_ended", "opened")] * 5
        assert beginnings.cache_info().misses == 0


@pytest.mark.rule("HM-121")
async def test_a_silence_is_of_just_its_subject_and_of_nothing_but_opening(environment: dict[str, str]) -> None:
    """Neither the integration of a silenced device nor the devices of a silenced integration are silenced."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(world.profile(integration="hue-1"), world.profile("device/t18", integration="hue-2"))
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.clear()
        await world.silence(Schedule(T0, 3_600))
        await world.silence(Schedule(T0, 3_600), "integration/hue-2")
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 3_000)
        await fire(world, T0 + 3_500, "integration/hue-1")
        await fire(world, T0 + 3_500, "device/t18")
        await world.tick(T0 + 4_000)
        assert sorted((row.verb, row.body.get("dedup_key")) for row in await world.commands()) == [
            ("open", "device/t18:device_offline"),
            ("open", "integration/hue-1:device_offline"),
            ("resolve", None),
        ]


@pytest.mark.rule("HM-122")
async def test_an_open_ticket_is_not_silenced_and_nor_is_what_is_not_published(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.silence(Schedule(T0, 3_600))
        await world.feed(
            change(to_state=FIRING, at=T0 + 3_000), change(to_state=FIRING, at=T0 + 3_001, policy_version=2)
        )
        await world.tick(T0 + 4_000)
        assert await world.outcomes() == [("firing", "opened"), ("firing", "already_open"), ("firing", "unpublished")]


@pytest.mark.rule("HM-120")
async def test_switching_publishing_on_for_what_exists_respects_silences(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.in_force(2)
        await world.feed(change(at=T0 + 1_000, policy_version=2))
        await world.tick(T0 + 2_000)
        await world.silence(Schedule(T0, 60))
        await world.put(BRISK.model_copy(update={"flap_threshold": 6}), publish_existing=True)
        await world.in_force(4, at=T0 + 3_000)
        await world.tick(T0 + 4_000)
        assert await world.outcomes() == [("firing", "unpublished"), ("publishing_began", "silenced")]


@pytest.mark.rule("HM-130")
async def test_where_silences_cannot_be_read_the_ticket_opens(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 3_600))
        await world.silence(Schedule(T0 + 1, 3_600, "FREQ=DAILY;COUNT=2", "UTC"), "device/t18")
        async with unit_of_work(world.database) as work:
            await work.connection.execute(
                text("UPDATE silence SET zone = 'Gone/Zone', from_at = NULL, until_at = NULL WHERE rrule IS NOT NULL")
            )
        before = SILENCES_UNREAD._value.get()
        with capture_logs() as unworkable:
            await fire(world, T0 + 1_000, "device/t18")
            await world.tick(T0 + 2_000)
        assert SILENCES_UNREAD._value.get() == before + 1
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("ALTER TABLE silence RENAME TO lost"))
        with capture_logs() as gone:
            await fire(world, T0 + 3_000)
            await world.tick(T0 + 4_000)
        assert await world.outcomes() == [("firing", "opened"), ("firing", "opened")]
        assert SILENCES_UNREAD._value.get() > before + 1
        assert len(await world.commands()) == 2
        for said, names in ((unworkable, "Gone/Zone"), (gone, "silence")):
            unread = [line for line in said if line["event"] == "silences.unread"]
            assert unread
            assert all(line["log_level"] == "warning" and names in line["error"] for line in unread)


@pytest.mark.rule("HM-131", "HM-134")
async def test_a_selection_is_one_silence_a_subject_made_and_removed_in_one_step(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(
            world.profile("integration/hue-1", space="oslo"),
            world.profile("device/a", integration="hue-1", space="oslo/hq/3"),
            world.profile("device/b", integration="hue-1", space="oslo/hq"),
            world.profile("device/c", integration="hue-12", space="oslo/hq2"),
            world.profile("device/d", space="oslo/h_/3"),
        )

        async def select(number: int, selection: Selection) -> set[str]:
            async with unit_of_work(world.database) as work:
                wanted = Wanted(Schedule(T0, 60), None, "ann@acme.test")
                made = await world.silences.select(work, UUID(int=number), "acme", selection, wanted)
            rows = await world.rows("SELECT subject FROM silence WHERE selection = :id", id=UUID(int=number))
            assert made == len(rows)
            return {row.subject for row in rows}

        assert await select(1, Selection(integration="hue-1")) == {"integration/hue-1", "device/a", "device/b"}
        assert await select(2, Selection(space="oslo/hq")) == {"device/a", "device/b"}
        assert await select(3, Selection(space="oslo/h_")) == {"device/d"}
        assert await select(4, Selection(space="bergen")) == set()
        world.later(1)
        assert await world.unsilence(UUID(int=1))
        rows = await world.rows("SELECT DISTINCT selection FROM silence WHERE removed_at IS NOT NULL")
        assert [row.selection for row in rows] == [UUID(int=1)]


@pytest.mark.rule("HM-131")
@pytest.mark.parametrize("subjects", [20_000, pytest.param(200_000, marks=pytest.mark.campaign)])
async def test_a_whole_org_of_subjects_is_silenced_and_ends_in_one_step(
    environment: dict[str, str], subjects: int
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(world.profile("integration/hue-1"))
        async with unit_of_work(world.database) as work:
            await work.connection.execute(
                text("""
                    INSERT INTO subject (org, subject, shard, heard_integration)
                    SELECT 'acme', 'device/' || n, n % 2, 'hue-1' FROM generate_series(2, :count) AS n
                """),
                {"count": subjects},
            )
        async with unit_of_work(world.database) as work:
            wanted = Wanted(Schedule(T0, 60), None, "ann@acme.test")
            assert await world.silences.select(work, UUID(int=1), "acme", Selection("hue-1"), wanted) == subjects
        await fire(world, T0 + 10_000, f"device/{subjects}")
        await world.tick(T0 + 60_000)
        await world.tick(T0 + 60_001)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "opened")]
        for batch in range(subjects // silences.ENDS_PER_BATCH):
            await world.tick(T0 + 60_002 + batch)
        assert await world.rows("SELECT id FROM silence WHERE due_at IS NOT NULL LIMIT 1") == []


@pytest.mark.rule("HM-136")
async def test_who_is_silenced_neither_counts_among_many_nor_joins_them(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        devices = [f"device/{number}" for number in range(6)]
        await world.feed(*(world.profile(device, integration="hue-1") for device in devices))
        for device in devices[:2]:
            await world.silence(Schedule(T0, 60), device)
        for place, device in enumerate(devices):
            await fire(world, T0 + 10_000 + 10 * place, device)
        await world.tick(T0 + 20_000)
        outcomes = [outcome for _, outcome in await world.outcomes()]
        assert outcomes == ["silenced", "silenced", "opened", "opened", "opened", "opened"]
        kinds = [row.body["kind"] for row in await opened(world)]
        assert kinds == ["device_offline"] * 4
        await world.tick(T0 + 60_000)
        await world.tick(T0 + 60_001)
        assert [row.body["kind"] for row in await opened(world)][4:] == ["multiple_devices_offline"]
        assert [each for each in await world.outcomes() if each[0] == "silence_ended"] == [
            ("silence_ended", "opened"),
            ("silence_ended", "joined"),
        ]


@pytest.mark.rule("HM-136")
async def test_a_silenced_device_joins_its_integrations_ticket_when_its_silence_ends(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*(world.profile(f"device/{number}", integration="hue-1") for number in range(2)))
        await world.silence(Schedule(T0, 60), "device/0")
        await fire(world, T0 + 5_000, "integration/hue-1")
        for number in range(2):
            await fire(world, T0 + 8_000 + number, f"device/{number}")
        await world.tick(T0 + 10_000)
        assert [outcome for _, outcome in await world.outcomes()] == ["opened", "silenced", "joined"]
        await world.tick(T0 + 60_000)
        await world.tick(T0 + 60_001)
        assert (await world.outcomes())[-1] == ("silence_ended", "joined")
        lists = [row.body["add"] for row in await world.commands() if row.verb == "update-checklist"]
        assert [[member["id"] for member in added] for added in lists if added] == [["1"], ["0"]]


@pytest.mark.rule("HM-126", "HM-228")
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize(("put_at", "outcome"), [(9_999, "unpublished"), (10_001, "opened")], ids=["before", "after"])
async def test_the_end_of_a_silence_goes_by_the_policy_of_its_instant(
    environment: dict[str, str], put_at: int, outcome: str, at_once: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 10))
        await world.put(QUIET)
        await fire(world, T0 + 5_000)
        if not at_once:
            await world.tick(T0 + 9_000)
        await world.in_force(4, at=T0 + put_at)
        if not at_once:
            await world.tick(T0 + 10_500)
        await world.tick(T0 + 11_000)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", outcome)]


@pytest.mark.rule("HM-126", "HM-228")
async def test_who_is_waited_for_at_the_end_goes_by_the_policy_of_its_instant_too(environment: dict[str, str]) -> None:
    """It is being heard when its silence ends and fails again before the policy changes; it is looked at behind
    that."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 10))
        await world.put(QUIET)
        await fire(world, T0 + 5_000)
        await move(world, FIRING, RESOLVING, at=T0 + 9_500)
        await world.tick(T0 + 10_100)
        await move(world, RESOLVING, FIRING, at=T0 + 10_300)
        await world.in_force(4, at=T0 + 10_700)
        await world.tick(T0 + 10_900)
        await world.tick(T0 + 12_000)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "opened")]


@pytest.mark.rule("HM-126", "HM-228")
async def test_ends_that_are_left_over_go_by_the_policy_of_their_instant(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if one end were as many as are taken at a time."""
    for query in ("_DUE_OF_FAILING", "_DUE_OF_ALL"):
        one = str(getattr(silences, query)).replace(f"LIMIT {silences.ENDS_PER_BATCH}", "LIMIT 1")
        monkeypatch.setattr(silences, query, text(one))
    async with CorrelatorWorld.open(environment) as world:
        subjects = [f"device/{number}" for number in range(6)]
        for subject in subjects:
            await world.silence(Schedule(T0, 10), subject)
            await fire(world, T0 + 5_000, subject)
        await world.put(QUIET)
        await world.tick(T0 + 10_000)
        await world.in_force(4, at=T0 + 10_500)
        for after in (600, 700, 800, 900):
            await world.tick(T0 + 10_000 + after)
        assert (await world.outcomes())[6:] == [("silence_ended", "opened")] * 6
