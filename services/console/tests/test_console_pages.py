"""The pages over HTTP, as a browser without scripts would use them."""

import html
import json
import re

import httpx2
import pytest
from console_html import elements
from console_world import World

from fettle_console.views.words import KINDS

SHARED = pytest.mark.asyncio(loop_scope="session")

ANN = {"type": "user", "id": "token/1", "name": "Ann"}
EVIL = '<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) "><b>'


def command_id(page: httpx2.Response) -> str:
    found = re.search(r'name="command_id" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def assert_quiet(page: httpx2.Response) -> None:
    """Nothing in the page acts by itself, comes from elsewhere, or leads to a script."""
    for tag, attributes in elements(page.text):
        assert tag not in ("img", "style", "iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/")
        for name in ("href", "src", "action"):
            assert not (attributes.get(name) or "").lower().startswith(("http", "//", "javascript:", "data:"))


def buttons(page: httpx2.Response) -> list[str]:
    """The labels of the update box."""
    box = page.text.partition('id="update"')[2].partition("</form>")[0]
    labels = re.findall(r'<button [^>]*name="action"[^>]*>([^<]*)<', box)
    return [re.sub(r"\s+", " ", label).strip() for label in labels]


@pytest.mark.rule("AC-23")
@SHARED
async def test_every_page_carries_the_policy_and_obeys_it(world: World) -> None:
    world.tickets.open("acme", EVIL, description=EVIL)
    await world.sign_in("acme", "operator")
    for path in ("/orgs/acme/tickets", "/orgs/acme/tickets/1", "/orgs/acme/tickets/new", "/sign-in", "/nothing"):
        page = await world.http.get(path, follow_redirects=True)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (page.headers["x-content-type-options"], page.headers["cache-control"]) == ("nosniff", "no-store")
        assert_quiet(page)


@pytest.mark.rule("AC-23")
@SHARED
async def test_a_slash_too_much_leads_to_the_page_and_not_to_an_operation(world: World) -> None:
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/tickets/")
    assert (page.status_code, page.headers["location"].removeprefix("http://")[-18:]) == (307, "/orgs/acme/tickets")
    assert (await world.http.get("/livez/")).status_code == 404


@pytest.mark.rule("AC-23")
@SHARED
async def test_static_files_are_kept_by_their_content(world: World) -> None:
    page = (await world.http.get("/sign-in")).text
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = await world.http.get(html.unescape(address))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await world.http.get("/static/../app.py")).status_code == 404


@pytest.mark.rule("TS-102", "AC-24")
@SHARED
async def test_a_tickets_page_brings_the_orgs_link_patterns_as_what_they_are(world: World) -> None:
    world.tickets.open("acme", "Noise", description="See WO-7.")
    patterns = [{"pattern": EVIL, "url": "https://orders.test/$0"}]
    world.tickets.policy["link_patterns"] = patterns
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/tickets/1")
    [brought] = [given["data-link-patterns"] for tag, given in elements(page.text) if "data-link-patterns" in given]
    assert json.loads(brought or "") == patterns
    assert_quiet(page)


@pytest.mark.rule("AC-24")
@SHARED
async def test_what_people_and_machines_write_is_shown_and_never_run(world: World) -> None:
    ticket = world.tickets.open(
        "acme", EVIL, description=EVIL, space=EVIL, subject={"type": "other", "id": EVIL, "name": EVIL}
    )
    ticket["links"] = [{"label": EVIL, "url": "javascript:alert(1)"}]
    world.tickets.entry(
        "acme", 1, "comment-added", {"type": "workflow", "name": EVIL}, body=EVIL, evidence={EVIL: EVIL}
    )
    await world.sign_in("acme", "operator")
    for path in ("/orgs/acme/tickets", "/orgs/acme/tickets/1", "/orgs/acme/tickets/1?edit=description"):
        answer = await world.http.get(path)
        assert "alert(1)" in answer.text
        assert_quiet(answer)


@pytest.mark.rule("AC-2", "AC-36")
@SHARED
async def test_another_orgs_pages_look_like_none(world: World) -> None:
    world.tickets.open("zoo", "Secret")
    await world.token("zoo")
    await world.sign_in("acme", "admin")
    for path in ("/tickets", "/tickets/1", "/tickets/new", "/health", "/live"):
        theirs, nobodys = [await world.http.get(f"/orgs/{org}{path}") for org in ("zoo", "nobody")]
        assert (theirs.status_code, theirs.text) == (404, nobodys.text)
    written = await world.post("/orgs/zoo/tickets/1/update", command_id="1", action="resolve")
    assert written.status_code == 404
    assert world.tickets.tickets["zoo", 1]["state"] == "open"


@pytest.mark.rule("AC-30")
@SHARED
async def test_the_list_shows_what_its_address_asks_for(world: World) -> None:
    for number in range(1, 61):
        world.tickets.open("acme", f"Ticket {number:02}", ago_s=6000 - number * 60)
    world.tickets.move("acme", 60, "in_progress", "started", ANN)
    world.tickets.move("acme", 59, "resolved", "resolved", ANN)
    await world.sign_in("acme", "viewer")

    def titles(page: httpx2.Response) -> list[str]:
        return re.findall(r">(Ticket \d\d)<", page.text)

    first = await world.http.get("/orgs/acme/tickets")
    assert titles(first) == [f"Ticket {number:02}" for number in range(58, 8, -1)]
    assert re.search(r"Open\s*<b>58</b>.*In progress\s*<b>1</b>.*Resolved\s*<b>1</b>", first.text, re.DOTALL)
    [following] = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = await world.http.get(html.unescape(following))
    assert titles(second) == [f"Ticket {number:02}" for number in range(8, 0, -1)]
    assert titles(await world.http.get("/orgs/acme/tickets?state=in_progress")) == ["Ticket 60"]
    assert titles(await world.http.get("/orgs/acme/tickets?state=all&q=Ticket+5")) == [
        f"Ticket {number}" for number in range(59, 49, -1)
    ]
    plain = await world.http.get("/orgs/acme/tickets?state=open&q=&source=&sort=-opened")
    assert (plain.status_code, plain.headers["location"]) == (303, "/orgs/acme/tickets")
    none = await world.http.get("/orgs/acme/tickets?q=nowhere")
    assert "No ticket fits" in none.text
    short = await world.http.get("/orgs/acme/tickets?q=Ti")
    assert (short.status_code, "at least 3 characters" in short.text) == (200, True)


@pytest.mark.rule("AC-31")
@SHARED
async def test_a_ticket_offers_what_its_state_allows_and_does_it(world: World) -> None:
    world.tickets.open("acme", "Lift 3 makes a noise", actor=ANN, description="Since *this morning*.")
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1")
    assert "<em>this morning</em>" in page.text
    for action, comment, then in (
        ("comment", "On it", ["Comment", "Start work", "Resolve"]),
        ("start", "", ["Comment", "Resolve", "Move back to open"]),
        ("move-to-open", "", ["Comment", "Start work", "Resolve"]),
        ("resolve", "Oiled.", ["Comment", "Reopen"]),
        ("reopen", "", ["Comment", "Start work", "Resolve"]),
    ):
        form = {"command_id": command_id(page), "action": action, "comment": comment}
        answers = [await world.post("/orgs/acme/tickets/1/update", **form) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        page = await world.http.get("/orgs/acme/tickets/1")
        assert buttons(page) == then
    kinds = [entry["type"] for entry in world.tickets.timelines["acme", 1]]
    assert kinds == ["opened", "comment-added", "started", "moved-to-open", "resolved", "comment-added", "reopened"]
    assert {entry["actor"]["name"] for entry in world.tickets.timelines["acme", 1][1:]} == {"operator of acme"}


def words_of(page: httpx2.Response) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


@pytest.mark.rule("AC-187")
@SHARED
async def test_tickets_are_filtered_by_kinds_of_workflows_too(world: World) -> None:
    world.tickets.open("acme", "Pump", kind="pump_check")
    world.tickets.open("acme", "Hall")
    await world.sign_in("acme", "viewer")
    page = (await world.http.get("/orgs/acme/tickets")).text
    suggestions = page.partition('<datalist id="kinds">')[2].partition("</datalist>")[0]
    assert re.findall(r'<option value="([^"]*)">', suggestions) == [*KINDS.values(), "pump_check"]
    theirs = await world.http.get("/orgs/acme/tickets?kind=pump_check")
    assert ('title="Pump"' in theirs.text, 'title="Hall"' in theirs.text) == (True, False)
    assert 'name="kind" list="kinds" value="pump_check"' in theirs.text
    ours = await world.http.get("/orgs/acme/tickets?kind=Device+Offline")
    assert ours.headers["location"] == "/orgs/acme/tickets?kind=device_offline"
    assert 'value="Device offline"' in (await world.http.get(ours.headers["location"])).text


@pytest.mark.rule("TS-59")
@SHARED
async def test_a_rollup_shows_who_is_down_and_who_is_back(world: World) -> None:
    at = "2026-11-23T10:42:00.000Z"
    members = [
        {"type": "device", "id": f"t{number}", "name": f"Thermostat {number}", "recovered": False}
        for number in range(99)
    ]
    members.append({"type": "device", "id": "lamp", "name": None, "recovered": True, "recovered_at": at})
    rollup = world.tickets.open(
        "acme",
        "Multiple devices offline: Hue bridge",
        kind="multiple_devices_offline",
        flap_count=5,
        checklist={"total": 120, "recovered": 1, "items": members},
        children=[{"number": 7, "title": EVIL, "state": "resolved"}],
        more_children=True,
    )
    evidence = {
        "added": {
            "count": 3,
            "members": [{"type": "device", "id": "t1", "name": EVIL}, {"type": "device", "id": "t2"}],
        },
        "recovered": {"count": 1, "members": [{"type": "device", "id": "lamp"}]},
        "checklist": {"total": 120, "recovered": 1},
    }
    monitor = {"type": "health_monitor"}
    world.tickets.entry("acme", 1, "checklist-changed", monitor, evidence=evidence)
    world.tickets.open("acme", "Device offline: Lamp", parent={"id": rollup["id"], "number": 1})
    await world.sign_in("acme", "viewer")

    page = await world.http.get("/orgs/acme/tickets/1")
    assert_quiet(page)
    said = words_of(page)
    for words in (
        "1 of 120 devices recovered",
        "Checklist 1 of 120 devices recovered Thermostat 0 Thermostat 1 ",
        "and 20 more",
        "updated the checklist: 3 added, 1 recovered (1 of 120 recovered)",
        "t2 and 1 more",
        "#7 and more",
    ):
        assert words in said
    assert '<a href="/orgs/acme/tickets/1/checklist">and 20 more</a>' in page.text
    assert page.text.count('<li data-state="open">') == 99
    assert 'title="device/lamp">lamp<' in page.text
    single = await world.http.get("/orgs/acme/tickets/2")
    assert "devices recovered" not in single.text
    assert 'Part of</dt><dd><a href="/orgs/acme/tickets/1">#1</a>' in single.text
    listed = (await world.http.get("/orgs/acme/tickets")).text
    assert listed.count('<span class="words">Multiple devices offline</span> 1/120') == 1
    assert "Changed 5 times within the flap window" in listed


@pytest.mark.rule("AC-31")
@SHARED
async def test_what_is_refused_is_said_and_what_was_typed_stays(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1")
    world.tickets.move("acme", 1, "resolved", "resolved", ANN)
    form = {"command_id": command_id(page), "action": "start", "comment": "I have a ladder"}
    refused = await world.post("/orgs/acme/tickets/1/update", **form)
    assert refused.status_code == 409
    assert "The ticket is resolved; this needs open." in refused.text
    assert ">I have a ladder</textarea>" in refused.text
    assert buttons(refused) == ["Comment", "Reopen"]
    assert len(world.tickets.timelines["acme", 1]) == 2


@pytest.mark.rule("AC-31")
@SHARED
async def test_a_description_that_somebody_else_changed_is_not_overwritten(world: World) -> None:
    world.tickets.open("acme", "Lift", description="First")
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1?edit=description")
    world.tickets.tickets["acme", 1].update(description="Second", description_version=2)
    form = {"command_id": command_id(page), "version": "1", "description": "Mine"}
    refused = await world.post("/orgs/acme/tickets/1/description", **form)
    assert refused.status_code == 412
    assert ">Mine</textarea>" in refused.text
    assert "<p>Second</p>" in refused.text
    again = {"command_id": command_id(refused), "version": "2", "description": "Both"}
    assert (await world.post("/orgs/acme/tickets/1/description", **again)).status_code == 303
    assert world.tickets.tickets["acme", 1]["description"] == "Both"


@pytest.mark.rule("AC-3", "AC-31")
@SHARED
async def test_a_viewer_reads_and_is_offered_nothing_else(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/tickets/1")
    assert "update" not in re.findall(r'id="(\w+)"', page.text)
    assert "Report issue" not in (await world.http.get("/orgs/acme/tickets")).text
    for path, form in (
        ("/orgs/acme/tickets/1/update", {"command_id": "1", "action": "resolve"}),
        ("/orgs/acme/tickets/1/description", {"command_id": "1", "version": "1", "description": "x"}),
        ("/orgs/acme/tickets/new", {"command_id": "1", "title": "x"}),
    ):
        assert (await world.post(path, **form)).status_code == 403
    assert (world.tickets.tickets["acme", 1]["state"], len(world.tickets.tickets)) == ("open", 1)


@pytest.mark.rule("AC-31")
@SHARED
async def test_an_issue_is_reported_unless_the_org_does_not_want_that(world: World) -> None:
    await world.sign_in("acme", "operator")
    assert "Report issue" in (await world.http.get("/orgs/acme/tickets")).text
    page = await world.http.get("/orgs/acme/tickets/new")
    empty = await world.post("/orgs/acme/tickets/new", command_id=command_id(page), space="oslo/hq")
    assert empty.status_code == 400
    assert "A ticket needs a title." in empty.text
    assert 'value="oslo/hq"' in empty.text
    form = {"title": "Lift 3", "subject_type": "other", "subject_id": "lift-3", "description": "Since *now*"}
    made = await world.post("/orgs/acme/tickets/new", command_id=command_id(page), **form)
    assert (made.status_code, made.headers["location"]) == (303, "/orgs/acme/tickets/1")
    assert world.tickets.tickets["acme", 1]["subject"] == {"type": "other", "id": "lift-3"}

    world.tickets.policy["report_issue_enabled"] = False
    assert "Report issue" not in (await world.http.get("/orgs/acme/tickets")).text
    assert (await world.http.get("/orgs/acme/tickets/new")).status_code == 403


@pytest.mark.rule("AC-157")
@SHARED
async def test_pages_and_files_travel_compressed_and_streams_do_not(world: World) -> None:
    for _ in range(30):
        world.tickets.open("acme", "Lift 3 makes a noise")
    await world.sign_in("acme")
    for path in ("/orgs/acme/tickets", "/static/fettle.css"):
        async with world.http.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
            text = await answer.aread()
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.num_bytes_downloaded < len(text) / 3
    async with world.http.stream("GET", "/orgs/acme/live", headers={"accept-encoding": "gzip"}) as stream:
        assert "content-encoding" not in stream.headers
    plain = await world.http.get("/orgs/acme/tickets", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


@pytest.mark.rule("AC-5", "AC-36")
@SHARED
async def test_an_error_is_a_page_in_plain_words_with_the_way_out(world: World) -> None:
    await world.sign_in("acme", "viewer")
    for path, status, words in (
        ("/orgs/acme/tickets/7", 404, "There is no such ticket."),
        ("/orgs/acme/tickets/x", 400, "number"),
        ("/orgs/acme/nothing", 404, "There is no such page."),
        ("/orgs/acme/health", 503, "The health service does not answer."),
    ):
        page = await world.http.get(path)
        assert page.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert words in page.text
        assert '<a class="button" href="/">' in page.text
