"""The zone of an org: exact times, fields for times and days are by its clock; without one by each reader's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from console_health_fake import Health, watched
from console_html import elements
from console_world import BOOTSTRAP, World
from jinja2 import Environment
from jinja2.runtime import Context

from fettle_console.domain.zones import zone_of
from fettle_console.entrypoints.pages.rendering import moment
from fettle_contracts.times import FIRST, LAST, parse_time, rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORG = "/api/v1/orgs/acme"
KOLKATA = ZoneInfo("Asia/Kolkata")
"""Half an hour off every other clock."""


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health()
    async with fake.running(world.settings):
        yield fake


async def zoned(world: World, zone: str | None) -> None:
    answer = await world.call("PUT", ORG, await world.token("acme"), json={"zone": zone})
    assert (answer.status_code, answer.json()["zone"]) == (200, zone), answer.text


async def times(world: World, path: str) -> list[tuple[datetime, str]]:
    """Each time of a page, and what is said on hover."""
    page = await world.http.get(path)
    assert page.status_code == 200
    said = [attributes for tag, attributes in elements(page.text) if tag == "time"]
    return [(parse_time(one["datetime"] or ""), one["title"] or "") for one in said]


async def field(world: World, path: str, name: str) -> str:
    page = await world.http.get(path)
    return next(one["value"] or "" for _, one in elements(page.text) if one.get("name") == name)


@pytest.mark.rule("AC-192")
async def test_exact_times_are_by_the_clock_of_the_org_and_name_it(world: World, health: Health) -> None:
    world.tickets.open("acme", "Lift", ago_s=600)
    health.subjects = [watched("t17", datetime.now(UTC))]
    await world.sign_in("acme", "admin")
    await zoned(world, "Asia/Kolkata")
    for path in ("tickets", "tickets/1", "health", "health/overview", "health/device/t17", "audit", "why?subject=a/b"):
        shown = await times(world, f"/orgs/acme/{path}")
        assert shown, path
        assert [title for _, title in shown] == [
            f"{at.astimezone(KOLKATA):%Y-%m-%d %H:%M:%S} Asia/Kolkata" for at, _ in shown
        ]
    page = await world.http.get("/orgs/acme/tickets/1")
    assert 'data-zone="Asia/Kolkata"' in page.text
    assert " UTC" not in page.text, "the evidence is by the same clock"
    await zoned(world, None)
    page = await world.http.get("/orgs/acme/tickets/1")
    assert ("data-zone" in page.text, " UTC" in page.text) == (False, True)


@pytest.mark.rule("AC-192")
async def test_fields_and_days_are_by_the_clock_of_the_org(world: World, health: Health) -> None:
    health.subjects = [watched("t17", datetime.now(UTC))]
    health.heard = {"since": "2026-11-28T11:00:00Z", "until": "2026-11-28T12:00:00Z", "heartbeats": []}
    await world.sign_in("acme", "admin")
    for zone, said, start in (
        ("Asia/Kolkata", "2026-11-28T17:30:00", "2026-11-28T12:00:00Z"),
        (None, "2026-11-28T12:00:00", "2026-11-28T12:00:00Z"),
    ):
        await zoned(world, zone)
        health.as_of = "2026-11-28T12:00:00.000Z"
        health.subjects[0]["as_of"] = health.as_of
        assert await field(world, "/orgs/acme/health/device/t17", "at") == said
        await world.http.get("/orgs/acme/why", params={"subject": "device/t17", "at": said})
        await world.http.get("/orgs/acme/heard", params={"subject": "device/t17", "at": said})
        assert health.whys[-2:] == [start, start]
        assert await field(world, "/orgs/acme/new-silence", "zone") == (zone or "UTC")
        later = datetime.now(UTC) + timedelta(days=1)
        local = f"{later.astimezone(zone_of(zone or 'UTC')):%Y-%m-%dT%H:%M}"
        made = {"whom": "subject", "subject": "device/t17", "start": local, "length": "3600"}
        shown = await world.post("/orgs/acme/new-silence", **made, action="show")
        [digest] = [one["value"] for _, one in elements(shown.text) if one.get("name") == "shown"]
        asked = await world.post("/orgs/acme/new-silence", **made, action="make", shown=digest or "", command_id="1")
        assert (asked.status_code, health.asked[-1]["starts_at"]) == (303, f"{rfc3339(later)[:16]}:00.000Z")

    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # a day and more apart
        await zoned(world, zone)
        day = datetime.now(ZoneInfo(zone)).date()
        for since, until, there in ((day, day, True), (day + timedelta(1), "", False), ("", day - timedelta(1), False)):
            page = await world.http.get("/orgs/acme/audit", params={"since": str(since), "until": str(until)})
            assert (f"days of {zone}" in page.text, f"zone {zone}<" in page.text) == (True, there), (since, until)


@pytest.mark.rule("AC-192", "AC-137")
async def test_an_admin_says_the_zone_and_what_is_none_is_refused(world: World) -> None:
    await world.sign_in("acme", "admin")
    admin = await world.token("acme")
    assert (await world.call("GET", "/api/v1/orgs", admin)).json()["items"][0]["zone"] is None
    sent = await world.post("/orgs/acme/settings", name="Acme AS", zone=" Europe/Oslo ")
    assert sent.status_code == 303
    assert await field(world, "/orgs/acme/settings", "zone") == "Europe/Oslo"
    [org] = (await world.call("GET", "/api/v1/orgs", admin)).json()["items"]
    assert (org["name"], org["zone"]) == ("Acme AS", "Europe/Oslo")
    renamed = await world.call("PUT", ORG, admin, json={"name": "Acme"})
    assert (renamed.json()["name"], renamed.json()["zone"]) == ("Acme", "Europe/Oslo")
    for wrong in ("Mars/One", "Europe", "../UTC", "europe\n", "", "x" * 65):
        answer = await world.call("PUT", ORG, admin, json={"zone": wrong})
        assert (answer.status_code, answer.json()["field"]) == (400, "zone"), wrong
    refused = await world.post("/orgs/acme/settings", name="Acme", zone="Mars/One")
    assert (refused.status_code, "no time zone" in refused.text, 'value="Mars/One"' in refused.text) == (
        400,
        True,
        True,
    )
    entries = (await world.call("GET", f"{ORG}/audit", admin, params={"thing": "/"})).json()["items"]
    abouts = [one["about"] for one in entries if one["method"] == "PUT" and one["outcome"] == "done"]
    assert abouts == [{"name": "Acme"}, {"name": "Acme AS", "zone": "Europe/Oslo"}]
    assert (await world.call("PUT", "/api/v1/orgs/acme", BOOTSTRAP, json={"zone": "UTC"})).status_code == 200
    operator = await world.token("acme", "operator")
    assert (await world.call("PUT", ORG, operator, json={"zone": "UTC"})).status_code == 403


@pytest.mark.rule("AC-192")
@pytest.mark.parametrize(
    "zone", ["Factory", "localtime", "posixrules", "right/Europe/Oslo", "posix/Europe/Oslo", "Europe"]
)
async def test_what_means_another_clock_on_each_machine_is_no_zone(world: World, zone: str) -> None:
    answer = await world.call("PUT", ORG, await world.token("acme"), json={"zone": zone})
    assert (answer.status_code, "is no time zone" in answer.text) == (400, True)


@pytest.mark.rule("AC-192", "TS-113")
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Oslo", "Mars/One"])
@pytest.mark.parametrize("at", [FIRST, LAST])
async def test_the_ends_of_all_times_are_shown_by_utc(zone: str, at: datetime) -> None:
    """One of them has no time there; and a name that is not known here says nothing."""
    title = str(moment(Context(Environment(), {"zone": zone}, None, {}), at))
    assert f'datetime="{rfc3339(at)}"' in title
    fits = zone_of(zone) is not None and (at == FIRST) == (zone == "Europe/Oslo")
    assert (f' {zone}"' in title, ' UTC"' in title) == (fits, not fits)


@pytest.mark.rule("AC-137")
@pytest.mark.parametrize("body", [{}, {"naem": "x"}, {"name": None}, {"name": " "}])
async def test_a_change_of_an_org_that_names_nothing_is_refused(world: World, body: dict[str, str | None]) -> None:
    assert (await world.call("PUT", ORG, await world.token("acme"), json=body)).status_code == 400


@pytest.mark.rule("AC-137", "AC-192")
async def test_what_the_page_of_an_org_leaves_as_it_is_is_nobodys_change(world: World) -> None:
    """Nor does a page of the previous version, which knows of no zone, take one away."""
    await world.sign_in("acme", "admin")
    await zoned(world, "Asia/Kolkata")
    name = await field(world, "/orgs/acme/settings", "name")
    for said in ({"name": name}, {"name": name, "zone": "Asia/Kolkata"}, {"name": "Acme GmbH"}):
        assert (await world.post("/orgs/acme/settings", **said)).status_code == 303
        assert await field(world, "/orgs/acme/settings", "zone") == "Asia/Kolkata"
    entries = (await world.call("GET", f"{ORG}/audit", await world.token("acme"))).json()["items"]
    assert [entry["about"] for entry in entries if entry["method"] == "PUT"] == [
        {"name": "Acme GmbH"}, {"zone": "Asia/Kolkata"},
    ]  # fmt: skip
