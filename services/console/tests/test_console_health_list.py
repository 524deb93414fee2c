"""The list of subjects by its address, and silences: listed, shown before they are made, made and ended."""

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
from console_health_fake import Health, silenced, watched
from console_world import World

from fettle_console.views.health_query import HealthQuery
from fettle_console.views.silence_form import SilenceForm, Unclear
from fettle_console.views.silence_list import recurrence
from fettle_contracts.times import rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health()
    async with fake.running(world.settings):
        yield fake


@pytest.mark.rule("AC-97")
async def test_an_address_of_the_list_says_what_is_asked_for() -> None:
    said = {
        "state": "unhealthy",
        "type": "device",
        "integration": "hue 1",
        "space": "oslo/hq",
        "q": "a&b",
        "sort": "since",
    }
    query = HealthQuery.read(said)
    assert dict(parse_qsl(query.address()[1:])) == said
    unhealthy = ["firing", "pending_resolve", "flapping", "unknown"]
    assert query.for_service(7) == {**said, "state": unhealthy, "limit": 7}
    assert query.selection == {"type": "device", "integration": "hue 1", "space": "oslo/hq"}
    odd = HealthQuery.read({"state": "ill", "type": "lift", "sort": "name", "other": "x"})
    assert (odd.address(), odd.narrowed) == ("", False)
    assert HealthQuery.read({"cursor": "c", "q": "x"}).but(q="y") == "?q=y"


@pytest.mark.rule("AC-182")
async def test_when_each_was_last_heard_is_asked_for_behind_the_page(world: World, health: Health) -> None:
    now = datetime.now(UTC)
    said = {"told": now - timedelta(minutes=14), "never": None}
    health.subjects = [
        {**watched(id, now), "last_heard": at and rfc3339(at), "last_heard_as_of": rfc3339(now)}
        for id, at in said.items()
    ]
    health.subjects.append({**watched("untold", now), "last_heard": None, "last_heard_as_of": None})
    await world.sign_in("acme", "viewer")
    page = (await world.http.get("/orgs/acme/health?type=device")).text
    assert "heard" not in dict(parse_qsl(health.queries[-1]))
    rows = dict(re.findall(r'<tr id="(s-[^"]+)"[^>]*>.*?title="Thermostat (\w+)"', page, re.DOTALL))
    part = (await world.http.get("/orgs/acme/health/last-heard?type=device")).text
    assert parse_qsl(health.queries[-1]) == [
        ("type", "device"),
        ("sort", "subject"),
        ("limit", "100"),
        ("heard", "true"),
    ]
    told = {rows[key]: what for key, what in re.findall(r'data-of="([^"]+)">(.*?)</li>', part)}
    assert f'datetime="{health.subjects[0]["last_heard"]}"' in told["told"]
    assert ("never" in told["never"], sorted(told)) == (True, ["never", "told"])


@pytest.mark.rule("AC-97")
async def test_the_list_is_filtered_sorted_and_paged_by_its_address(world: World, health: Health) -> None:
    health.subjects = [watched("t17", datetime.now(UTC))]
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/health?state=firing&integration=hue-1&sort=-since")
    assert parse_qsl(health.queries[-1]) == [
        ("state", "firing"),
        ("integration", "hue-1"),
        ("sort", "-since"),
        ("limit", "100"),
    ]
    assert re.search(r'<option value="firing" selected>', page.text)
    assert "/orgs/acme/new-silence?integration=hue-1" in page.text
    chips = [html.unescape(one) for one in re.findall(r'class="chip plain" href="([^"]+)"', page.text)]
    assert chips == ["/orgs/acme/health?state=firing&sort=-since"]
    plain = await world.http.get("/orgs/acme/health?state=&q=&sort=subject")
    assert (plain.status_code, plain.headers["location"]) == (303, "/orgs/acme/health")
    health.subjects = []
    assert "nobody here is unhealthy" in (await world.http.get("/orgs/acme/health?state=unhealthy")).text
    assert "No subjects yet" in (await world.http.get("/orgs/acme/health")).text


@pytest.mark.rule("AC-99")
@pytest.mark.parametrize(
    ("rule", "zone", "words"),
    [
        ("FREQ=DAILY;COUNT=30", "Europe/Oslo", "every day, 30 times, by the clock of Europe/Oslo"),
        (
            "FREQ=WEEKLY;BYDAY=SA,SU;UNTIL=20271231T000000Z",
            "UTC",
            "every week on Sat, Sun, until 2027-12-31, by the clock of UTC",
        ),
        ("FREQ=MONTHLY;INTERVAL=2;COUNT=6", None, "every 2 months, 6 times"),
        ("FREQ=MONTHLY;BYMONTHDAY=1;COUNT=6", "UTC", "again by FREQ=MONTHLY;BYMONTHDAY=1;COUNT=6, by the clock of UTC"),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=6", "UTC", "again by FREQ=MONTHLY;BYDAY=1MO;COUNT=6, by the clock of UTC"),
    ],
)
async def test_a_recurrence_is_said_in_words(rule: str, zone: str | None, words: str) -> None:
    assert recurrence(rule, zone) == words


@pytest.mark.rule("AC-99")
async def test_silences_are_listed_with_what_they_held_back_and_ended(world: World, health: Health) -> None:
    now = datetime.now(UTC)
    nightly = {"rrule": "FREQ=DAILY;COUNT=3", "zone": "Europe/Oslo", "ends_at": rfc3339(now + timedelta(days=3))}
    latest = [{"at": rfc3339(now), "condition": "device_offline", "cause": "firing"}]
    one = silenced("device/hall 3", now, name="<b>", reason="Swap", held={"count": 2, "latest": latest}, **nightly)
    some = silenced("device/a", now, selection="5f6cbb7e-4d0a-5f0e-9d8e-0e1a2b3c4d5e", subjects=118, name="Lamp A")
    health.silences = [one, some]
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/health/silences")
    assert dict(parse_qsl(health.queries[-1])) == {"state": "active", "together": "true", "limit": "50"}
    shown = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())
    assert "every day, 3 times, by the clock of Europe/Oslo" in shown
    for words in ("Swap", "2 tickets", "118 subjects", "Lamp A and 117 more", "ann@acme.test"):
        assert words in shown
    assert 'title="Device offline"' in page.text
    assert "selection=5f6cbb7e-4d0a-5f0e-9d8e-0e1a2b3c4d5e" in page.text
    assert re.findall(r'name="silence" value="([^"]+)"', page.text) == [one["id"], some["selection"]]
    ended = await world.post(
        "/orgs/acme/unsilence", command_id="1", silence=one["id"], next="/orgs/acme/health/silences"
    )
    assert (ended.status_code, ended.headers["location"]) == (303, "/orgs/acme/health/silences")
    assert health.silences == [some]
    members = await world.http.get(f"/orgs/acme/health/silences?selection={some['selection']}")
    assert "together" not in health.queries[-1]
    assert "118 subjects" not in members.text
    health.silences = []
    for state, words in (("active", "Nobody is silenced"), ("upcoming", "None to come"), ("ended", "None has ended")):
        assert words in (await world.http.get(f"/orgs/acme/health/silences?state={state}")).text
    await world.sign_in("acme", "viewer")
    health.silences = [one]
    page = await world.http.get("/orgs/acme/health/silences")
    assert ("End now" in page.text, "New silence" in page.text) == (False, False)


@pytest.mark.rule("AC-100")
async def test_what_is_typed_into_the_form_is_what_is_asked_for() -> None:
    form = SilenceForm.read(
        {
            "whom": "selection",
            "type": "device",
            "space": " oslo/hq ",
            "subject": "device/left",
            "start": "2026-12-01T02:00",
            "zone": "Europe/Oslo",
            "length": "other",
            "number": "1,5",
            "unit": "3600",
            "rule": "FREQ=DAILY",
            "times": "30",
            "reason": "Nightly",
        }
    )
    assert form.body() == {
        "filter": {"type": "device", "space": "oslo/hq"},
        "starts_at": "2026-12-01T01:00:00.000Z",
        "length_s": 5_400,
        "rrule": "FREQ=DAILY;COUNT=30",
        "zone": "Europe/Oslo",
        "reason": "Nightly",
    }
    assert SilenceForm.read({"subject": "device/a", "zone": "Europe/Oslo"}).body() == {
        "subject": "device/a",
        "length_s": 14_400,
    }
    assert (SilenceForm.read({"integration": "x"}).whom, SilenceForm.read({}).says_whom) == ("selection", False)
    for field, wrong in (
        ("length", {"length": "other", "number": "soon"}),
        ("zone", {"start": "2026-12-01T02:00", "zone": "Mars/One"}),
        ("start", {"start": "tomorrow"}),
        ("start", {"start": "0001-01-01T00:00", "zone": "Asia/Tokyo"}),
        ("times", {"rule": "FREQ=DAILY", "times": "x"}),
    ):
        with pytest.raises(Unclear, match=f"^{field}: "):
            SilenceForm.read({"subject": "device/a", **wrong}).body()


@pytest.mark.rule("HM-321")
@pytest.mark.parametrize("start", ["2026-03-29T02:00", "2026-03-29T02:30"])
async def test_a_silence_does_not_begin_at_a_time_that_no_clock_shows(start: str) -> None:
    form = SilenceForm.read({"subject": "device/a", "start": start, "zone": "Europe/Oslo"})
    with pytest.raises(Unclear, match=r"^start: .* of Europe/Oslo .* from 2026-03-29T02:00 to 2026-03-29T03:00; begin"):
        form.body()


@pytest.mark.rule("HM-321")
@pytest.mark.parametrize(
    ("start", "at"),
    [
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30"),
    ],
)
async def test_of_a_time_that_comes_twice_a_silence_begins_at_the_first(start: str, at: str) -> None:
    form = SilenceForm.read({"subject": "device/a", "start": start, "zone": "Europe/Oslo"})
    assert form.body()["starts_at"] == f"{at}:00.000Z"


@pytest.mark.rule("AC-100")
async def test_a_silence_is_shown_before_it_is_made(world: World, health: Health) -> None:
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/new-silence?integration=hue-1")
    assert "<b>12 devices and 1 integration</b> will open no tickets" in page.text
    assert "and 8 more" in page.text
    shown = re.findall(r'name="shown" value="([0-9a-f]+)"', page.text)[0]
    form = {"whom": "selection", "integration": "hue-1", "length": "14400", "unit": "3600", "command_id": "1"}
    other = await world.post("/orgs/acme/new-silence", **{**form, "length": "3600"}, shown=shown, action="make")
    assert (other.status_code, health.asked) == (200, [])
    again = re.findall(r'name="shown" value="([0-9a-f]+)"', other.text)[0]
    assert again != shown
    wrong = await world.post("/orgs/acme/new-silence", **{**form, "length": "0"}, shown="", action="show")
    assert (wrong.status_code, "must be at least a second" in wrong.text) == (400, True)
    made = await world.post("/orgs/acme/new-silence", **{**form, "length": "3600"}, shown=again, action="make")
    assert (made.status_code, made.headers["location"]) == (303, "/orgs/acme/health/silences")
    assert health.asked == [{"filter": {"integration": "hue-1"}, "length_s": 3_600}]
    unclear = await world.post("/orgs/acme/new-silence", **{**form, "length": "other"}, shown="", action="show")
    assert (unclear.status_code, "length: must be a number" in unclear.text) == (400, True)
    await world.sign_in("acme", "viewer")
    assert (await world.http.get("/orgs/acme/new-silence")).status_code == 403
