"""What pages of tickets do beyond reading and moving one, over HTTP, as a browser without scripts would use them."""

import html
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

import httpx2
import pytest
import pytest_asyncio
from console_fakes import MONITOR
from console_health_fake import Health
from console_html import elements
from console_world import World

from fettle_console.views.bulk import Outcomes
from fettle_console.views.differences import Difference
from fettle_contracts.times import parse_time

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANN = {"type": "user", "id": "token/1", "name": "Ann"}
EVIL = '<script>alert(1)</script>"><b>'


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health()
    async with fake.running(world.settings):
        yield fake


def words_of(page: httpx2.Response) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


def fields(page: httpx2.Response, action: str) -> dict[str, str]:
    """What the form that is sent to `action` sends by itself."""
    form = page.text.partition(f'action="{action}"')[2].partition("</form>")[0]
    hidden = [attributes for tag, attributes in elements(form) if tag == "input" and attributes.get("type") == "hidden"]
    assert hidden, form
    return {str(one["name"]): html.unescape(str(one["value"])) for one in hidden}


@pytest.mark.rule("AC-76")
async def test_many_tickets_are_worked_at_once_and_each_says_what_became_of_it(world: World) -> None:
    for number in range(1, 5):
        world.tickets.open("acme", f"Lift {number}")
    world.tickets.move("acme", 3, "resolved", "resolved", ANN)
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets")
    assert page.text.count('form="bulk" name="number"') == 3
    form = {**fields(page, "/orgs/acme/tickets/bulk"), "action": "start", "comment": " On it "}
    for _ in range(2):
        done = await world.http.post(
            "/orgs/acme/tickets/bulk", data={**form, "number": ["1", "2", "3"]}, headers={"origin": world.url}
        )
        assert done.status_code == 200
    said = words_of(done)
    assert "2 tickets started, 1 ticket refused" in said
    assert "#3 The ticket is resolved; this needs open." in said
    assert [world.tickets.tickets["acme", number]["state"] for number in (1, 2, 3, 4)] == [
        *("in_progress", "in_progress"),
        *("resolved", "open"),
    ]
    assert [entry["type"] for entry in world.tickets.timelines["acme", 1]] == ["opened", "started", "comment-added"]

    undo = done.text.partition('id="outcome"')[2]
    numbers = re.findall(r'name="number" value="(\d+)"', undo)
    assert (numbers, 'value="move-to-open"' in undo) == (["1", "2"], True)


@pytest.mark.rule("AC-76")
async def test_nothing_selected_no_such_action_and_a_viewer_change_nothing(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "operator")
    none = await world.post("/orgs/acme/tickets/bulk", command_id="1", action="resolve")
    assert (none.status_code, "Select the tickets first" in none.text) == (400, True)
    other = await world.post("/orgs/acme/tickets/bulk", command_id="1", action="delete", number="1")
    assert other.status_code == 400
    await world.sign_in("acme", "viewer")
    assert 'name="number"' not in (await world.http.get("/orgs/acme/tickets")).text
    refused = await world.post("/orgs/acme/tickets/bulk", command_id="1", action="resolve", number="1")
    assert refused.status_code == 403
    assert len(world.tickets.timelines["acme", 1]) == 1


@pytest.mark.rule("AC-76")
@pytest.mark.parametrize(
    ("action", "outcomes", "words", "undo"),
    [
        ("resolve", ["applied"], "1 ticket resolved", "reopen"),
        ("resolve", ["unchanged", "unchanged"], "2 tickets were so already", None),
        ("comment", ["applied", "rejected"], "1 ticket commented on, 1 ticket refused", None),
        ("start", ["rejected"], "1 ticket refused", None),
    ],
)
async def test_outcomes_are_summed_up_in_words(action: str, outcomes: list[str], words: str, undo: str | None) -> None:
    items = [{"number": number, "outcome": outcome} for number, outcome in enumerate(outcomes, 1)]
    found = Outcomes.of(action, items)
    assert (found.words, found.undo) == (words, undo)


@pytest.mark.rule("AC-78")
async def test_a_new_org_shows_its_first_steps_until_they_are_done(world: World, health: Health) -> None:
    await world.sign_in("acme", "operator")
    page = words_of(await world.http.get("/orgs/acme/tickets"))
    assert "Acme opens no tickets yet: its health policy is switched off." in page
    for command in (
        "fettle health policy --org acme --set enabled=true --set publish_tickets=true",
        "fettle heartbeat send device/x1 --interval-s 30 --org acme",
        "fettle health import fleet.csv --yes --org acme",
        "fettle workflows apply flows --org acme",
    ):
        assert command in page
    health.judging, health.subjects = True, [{"state": "healthy", "registered": False}]
    page = words_of(await world.http.get("/orgs/acme/tickets"))
    assert ("switched off" in page, "heartbeat send" in page, "health import" in page) == (False, False, True)
    world.tickets.open("acme", "Lift")
    world.tickets.move("acme", 1, "resolved", "resolved", ANN)
    page = words_of(await world.http.get("/orgs/acme/tickets"))
    assert ("Three steps" in page, "Nothing is open" in page) == (False, True)


@pytest.mark.rule("AC-79")
async def test_a_subject_is_silenced_from_its_tickets_page_and_heard_again(world: World, health: Health) -> None:
    world.tickets.open("acme", "Device offline: Hall", subject={"type": "device", "id": "t17", "name": EVIL})
    world.tickets.open("acme", "Lift", actor=ANN, subject={"type": "other", "id": "lift"})
    await world.sign_in("acme", "operator")
    assert "Silence" not in words_of(await world.http.get("/orgs/acme/tickets/2"))
    page = await world.http.get("/orgs/acme/tickets/1?edit=silence")
    assert re.search(r'<dialog id="silence"[^>]* open>', page.text)
    assert 'value="14400" data-words="4 h" checked' in page.text
    assert f"{EVIL} will open no tickets until" in words_of(page)
    form = {**fields(page, "/orgs/acme/silence"), "length_s": "3600", "reason": " Battery swap "}
    made = await world.post("/orgs/acme/silence", **form)
    assert made.status_code == 303
    assert health.asked == [{"subject": "device/t17", "length_s": 3600, "reason": "Battery swap"}]
    page = await world.http.get("/orgs/acme/tickets/1")
    assert re.search(
        r"is silenced until .* UTC : Battery swap. It opens no other ticket until then. by you", words_of(page)
    )
    ending = fields(page, "/orgs/acme/unsilence")
    for _ in range(2):
        assert (await world.post("/orgs/acme/unsilence", **ending)).status_code == 303
    assert "is silenced" not in (await world.http.get("/orgs/acme/tickets/1")).text
    refused = await world.post("/orgs/acme/silence", command_id="2", subject="device/t17", length_s="0")
    assert (refused.status_code, "must be at least a second" in refused.text) == (400, True)


@pytest.mark.rule("AC-79")
async def test_an_integration_is_silenced_alone_or_with_its_devices(world: World, health: Health) -> None:
    world.tickets.open("acme", "Integration unreachable: hue", subject={"type": "integration", "id": "hue-1"})
    await world.sign_in("acme", "operator")
    page = words_of(await world.http.get("/orgs/acme/tickets/1?edit=silence"))
    assert "Just the integration With its 12 devices" in page
    both = {"command_id": "1", "subject": "integration/hue-1", "length_s": "14400", "scope": "integration"}
    made = await world.post("/orgs/acme/silence", **both, next="https://evil.example/")
    assert (made.status_code, made.headers["location"]) == (303, "/orgs/acme/health")
    assert health.asked == [{"filter": {"integration": "hue-1"}, "length_s": 14400}]


@pytest.mark.rule("AC-79")
async def test_a_viewer_silences_nothing(world: World, health: Health) -> None:
    world.tickets.open("acme", "Device offline: Hall")
    await world.sign_in("acme", "viewer")
    assert '<dialog id="silence"' not in (await world.http.get("/orgs/acme/tickets/1?edit=silence")).text
    for path, form in (("silence", {"length_s": "60", "subject": "device/d1"}), ("unsilence", {"silence": "0" * 32})):
        assert (await world.post(f"/orgs/acme/{path}", command_id="1", **form)).status_code == 403
    assert health.asked == []


@pytest.mark.rule("AC-168")
async def test_what_is_being_edited_stays_open_beside_a_comment(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "operator")
    path = "/orgs/acme/tickets/1/update"
    for edit, back in (("links", "?edit=links"), ("//evil", ""), ("", "")):
        done = await world.post(path, action="comment", comment="x", edit=edit, command_id=f"c{edit}")
        assert (done.status_code, done.headers["location"]) == (303, f"/orgs/acme/tickets/1{back}")
    refused = await world.post(path, action="reopen", comment="y", edit="links", command_id="r")
    assert ('id="link"' in refused.text, refused.text.count('class="refused"')) == (True, 1)
    assert 'class="refused"' in refused.text.partition('id="update"')[2].partition("</form>")[0]


@pytest.mark.rule("AC-79", "AC-5")
async def test_a_ticket_is_worked_while_the_health_monitor_is_away(world: World) -> None:
    world.tickets.open("acme", "Device offline: Hall")
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1")
    assert (page.status_code, 'id="update"' in page.text) == (200, True)
    away = await world.http.get("/orgs/acme/why?subject=device/d1")
    assert (away.status_code, "The health service does not answer." in away.text) == (503, True)


@pytest.mark.rule("AC-80")
async def test_a_page_says_why_the_monitor_opened_a_ticket(world: World, health: Health) -> None:
    world.tickets.open("acme", "Device offline: Hall")
    world.tickets.open("acme", "Lift", actor=ANN)
    await world.sign_in("acme", "viewer")
    assert "Why did this open?" not in (await world.http.get("/orgs/acme/tickets/2")).text
    page = await world.http.get("/orgs/acme/tickets/1")
    [path] = re.findall(r'hx-get="(/orgs/acme/why[^"]*)"', page.text)
    asked = dict(parse_qsl(html.unescape(path).partition("?")[2]))
    opened_at = world.tickets.timelines["acme", 1][0]["at"]
    assert (asked["subject"], parse_time(asked["at"])) == ("device/d1", parse_time(opened_at))
    why = await world.http.get(html.unescape(path))
    said = words_of(why)
    for words in (
        "It has been silent since 12:02:11 , which is longer than its timeout of 90 s.",
        "Would have decided otherwise: timeout 10 min instead of 90 s ; or a silence of 1 h.",
        "Condition Device offline",
        "Open debounce ran out",
        "Nobody was observed",
        "Policy, version 3 timeout 90 s set by the model",
    ):
        assert words in said, said
    assert 'datetime="2026-11-23T12:02:11.020Z"' in why.text
    forgotten = await world.http.get("/orgs/acme/why?subject=device/forgotten")
    assert (forgotten.status_code, "The log does not reach back that far." in forgotten.text) == (404, True)
    health.why["change"] |= {"wanted": 90, "from_the_beginning": True}
    assert "timeout 90 s from the beginning" in words_of(await world.http.get("/orgs/acme/why?subject=device/d1"))
    health.why |= {"change": None, "no_change": "no checkpoint is kept from then or before"}
    assert (
        "No checkpoint is kept from then or before." in (await world.http.get("/orgs/acme/why?subject=device/d1")).text
    )
    health.why["because"] = EVIL
    assert EVIL not in (await world.http.get("/orgs/acme/why?subject=device/d1")).text


@pytest.mark.rule("HM-264")
async def test_a_page_says_that_nobody_looks_whether_its_subject_recovers(world: World, health: Health) -> None:
    world.tickets.open("acme", "Device offline: Hall")
    world.tickets.open("acme", "Lift", actor=ANN)
    await world.sign_in("acme", "viewer")

    async def says_so() -> list[bool]:
        pages = [await world.http.get(f"/orgs/acme/tickets/{number}") for number in (1, 2)]
        return ["nobody looks whether" in words_of(page) for page in pages]

    assert await says_so() == [True, False]
    health.policy |= {"enabled": True}
    assert await says_so() == [False, False]
    health.policy |= {"enabled": False}
    world.tickets.move("acme", 1, "resolved", "resolved", ANN)
    assert await says_so() == [False, False]


@pytest.mark.rule("AC-81")
async def test_a_page_says_who_was_told(world: World) -> None:
    world.tickets.open("acme", "Lift", actor=ANN)
    await world.sign_in("acme", "viewer")
    assert 'hx-get="/orgs/acme/tickets/1/told"' in (await world.http.get("/orgs/acme/tickets/1")).text
    told = words_of(await world.http.get("/orgs/acme/tickets/1/told"))
    assert "alert-when-a-device-goes-offline version 3 on opened: done" in told
    assert "channel ops : sent" in told
    assert (await world.http.get("/orgs/acme/tickets/2/told")).status_code == 404


@pytest.mark.rule("AC-122")
async def test_a_long_tickets_page_reads_its_newest_entries_and_what_it_says_of_the_earlier(world: World) -> None:
    tickets = world.tickets
    tickets.open("acme", "Device offline: Hall", ago_s=300)
    tickets.entry("acme", 1, "description-edited", ANN, body="")
    for number in range(600):
        tickets.entry("acme", 1, "comment-added", ANN, body=f"Number {number}.")
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1")
    assert re.findall(r'<li id="e(\d+)"', page.text) == [str(version) for version in range(553, 603)]
    assert sorted(tickets.read) == [
        *[("", "-version", 50), ("", "version", 1)],
        *[("description-edited", "-version", 1), ("reopened", "-version", 50)],
    ]
    said = words_of(page)
    assert "d1 went silent" in said
    assert "Why did this open?" in said
    assert re.search(r"edited [^.]{1,40} by Ann", said)
    found = re.findall(r'<li id="e(\d+)"', page.text)
    while earlier := re.findall(r'id="show-earlier" href="([^"]*)"', page.text):
        page = await world.http.get(html.unescape(earlier[0]))
        found = re.findall(r'<li id="e(\d+)"', page.text) + found
    assert found == [str(version) for version in range(1, 603)]
    assert (await world.http.get("/orgs/acme/tickets/2/timeline")).status_code == 404


@pytest.mark.rule("AC-122")
async def test_who_was_told_is_found_by_the_latest_entries(world: World) -> None:
    world.tickets.open("acme", "Lift", actor=ANN)
    for number in range(600):
        world.tickets.entry("acme", 1, "comment-added" if number < 430 else "checklist-changed", ANN)
    await world.sign_in("acme", "viewer")
    told = words_of(await world.http.get("/orgs/acme/tickets/1/told"))
    assert "channel ops : sent" in told
    assert world.tickets.read == [("", "-version", 100)] * 3


@pytest.mark.rule("AC-123")
async def test_all_members_of_a_checklist_can_be_seen(world: World) -> None:
    members = [{"type": "device", "id": f"t{number}", "recovered": number % 2 == 0} for number in range(450)]
    checklist = {"total": 450, "recovered": 225, "items": members}
    world.tickets.open("acme", "Many", kind="multiple_devices_offline", checklist=checklist)
    world.tickets.open("acme", "Lift", actor=ANN)
    await world.sign_in("acme", "viewer")
    path, found = "/orgs/acme/tickets/1/checklist", []
    for pages in (1, 2, 3):
        page = await world.http.get(path)
        assert ("225 of 450 devices recovered" in words_of(page), "First page" in page.text) == (True, pages > 1)
        found += re.findall(r'title="device/(t\d+)"', page.text)
        path = html.unescape("".join(re.findall(r'rel="next" href="([^"]*)"', page.text)))
    assert (found, path) == ([f"t{number}" for number in range(450)], "")
    assert "no checklist" in (await world.http.get("/orgs/acme/tickets/2/checklist")).text
    assert (await world.http.get("/orgs/acme/tickets/3/checklist")).status_code == 404


@pytest.mark.rule("AC-82")
async def test_a_preview_shows_what_the_page_would(world: World) -> None:
    await world.sign_in("acme", "viewer")
    shown = await world.post("/orgs/acme/preview", text=f"Since *now* {EVIL}")
    assert "<em>now</em>" in shown.text
    assert "<script" not in shown.text
    foreign = await world.http.post(
        "/orgs/acme/preview", data={"text": "x"}, headers={"origin": "https://evil.example"}
    )
    assert foreign.status_code == 403


@pytest.mark.rule("AC-82")
async def test_edits_show_what_they_changed_and_long_texts_are_folded(world: World) -> None:
    world.tickets.open("acme", "Lift", description="\n".join(f"- line {number}" for number in range(60)))
    body = f"@@ -1,2 +1,3 @@\n kept\n-{EVIL}\n+now *loud*\n+and smells"
    world.tickets.entry("acme", 1, "description-edited", ANN, body=body)
    world.tickets.entry("acme", 1, "comment-added", MONITOR, body="Short")
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/tickets/1")
    assert "<ins>now *loud*</ins>" in page.text
    assert f"<del>{html.escape(EVIL, quote=False).replace(chr(34), '&#34;')}</del>" in page.text
    said = words_of(page)
    assert "2 lines in, 1 out kept" in said
    assert re.search(r"Description edited \d+ s ago by Ann|Description edited now by Ann", said)
    assert "All 60 lines" in said
    assert page.text.count('<details class="fold">') == 1


@pytest.mark.rule("AC-82")
@pytest.mark.parametrize(
    ("unified", "kinds", "words"),
    [
        ("", "", "nothing changed"),
        ("@@ -0,0 +1 @@\n+First", "come", "1 line in"),
        ("@@ -1 +1 @@\n-a\n+b\n@@ -9 +9 @@\n-c", "head gone come head gone", "1 line in, 2 out"),
        ("-WO-7 https://a.example/7", "gone", "1 out"),
        ("@@ -1,2 +1,2 @@\n \n+", "kept come", "1 line in"),
    ],
)
async def test_differences_are_read_line_by_line(unified: str, kinds: str, words: str) -> None:
    found = Difference.read(unified)
    assert (" ".join(line.kind for line in found.lines), found.words) == (kinds, words)


@pytest.mark.rule("AC-83")
async def test_links_are_edited_and_what_is_refused_stays_as_typed(world: World) -> None:
    world.tickets.open("acme", "Lift", actor=ANN)
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/tickets/1?edit=links")
    form = fields(page, "/orgs/acme/tickets/1/links")

    async def save(*links: tuple[str, str]) -> httpx2.Response:
        sent = {**form, "label": [label for label, _ in links], "url": [url for _, url in links]}
        return await world.http.post("/orgs/acme/tickets/1/links", data=sent, headers={"origin": world.url})

    wrong = await save(("WO-7", "ftp://orders.example/7"))
    assert (wrong.status_code, "A link has an http or https address." in wrong.text) == (400, True)
    assert 'value="ftp://orders.example/7"' in wrong.text
    assert (await save(("WO-7", "https://orders.example/7"), ("", "https://a.example"), ("x", ""))).status_code == 303
    links = [(link["label"], link["url"]) for link in world.tickets.tickets["acme", 1]["links"]]
    assert links == [("WO-7", "https://orders.example/7"), ("https://a.example", "https://a.example")]
    stale = await save(("mine", "https://mine.example"))
    assert (stale.status_code, 'value="https://mine.example"' in stale.text) == (412, True)
    shown = await world.http.get("/orgs/acme/tickets/1")
    assert re.search(r'href="https://orders.example/7"[^>]*>WO-7<', shown.text)
    assert "2 lines in" in words_of(shown)
