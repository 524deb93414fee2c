"""The admin's pages: the audit log in words, API tokens, and the org itself."""

import html
import re

import pytest
from console_html import elements
from console_world import BOOTSTRAP, World
from tests.client.api_document import document, operations

from fettle_chassis.kafka import build_consumer
from fettle_console.domain.deeds import Deeds
from fettle_contracts.cloudevents import from_record
from fettle_contracts.orgs import Org
from fettle_contracts.topics import ORGS

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKENS = "/api/v1/orgs/acme/tokens"
EVIL = '<script>alert(1)</script>"><b>'


def words_of(text: str) -> str:
    """What a reader sees of the page's own part."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


@pytest.mark.rule("AC-133")
async def test_every_operation_has_its_name_by_the_documents() -> None:
    api = document()
    deeds = Deeds([api])
    for operation in operations(api):
        path = operation.path.removeprefix("/api/v1/orgs").removeprefix("/{org}") or "/"
        if operation.path == "/api/v1/orgs":
            continue
        filled = re.sub(r"\{\w+\}", "a", path)
        name, thing = deeds.of(operation.method, filled) or ("", "")
        assert name == api["paths"][operation.path][operation.method.lower()]["summary"]
        assert filled.startswith(f"/{thing}")
    assert deeds.of("PUT", "/subjects/device/a/b") == ("Register a subject", "subjects/device/a/b")
    assert deeds.of("POST", "/tickets/7/resolve") == ("Resolve a ticket", "tickets/7")
    assert deeds.of("POST", "/workflows/w/hook/secrets") == ("Make a secret for a hook", "workflows/w")
    assert deeds.of("POST", "/tickets/7/update") is None
    assert Deeds([{}]).of("POST", "/tickets") is None


@pytest.mark.rule("AC-133")
async def test_the_audit_log_says_who_asked_for_what_and_is_narrowed_by_its_address(world: World) -> None:
    operator = await world.token("acme", "operator", name=EVIL)
    world.tickets.open("acme", "Lift")
    await world.call("POST", "/api/v1/orgs/acme/tickets/1/start", operator, json={})
    await world.call("POST", "/api/v1/orgs/acme/tickets/9/start", operator, json={})
    await world.call("DELETE", "/api/v1/orgs/acme/nonsense", operator)
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/audit")
    said = words_of(page.text)
    assert re.search(re.escape(EVIL) + r" Deed tickets/1/start Done", said), said
    assert "<script>alert" not in page.text
    assert "Deed tickets/9/start Refused 404" in said
    assert re.search(
        rf"The installation Mint a token name {re.escape(EVIL)}, role operator, token \S+ tokens Done", said
    )
    assert "The installation Create the org acme Done" in said
    assert 'href="/orgs/acme/tickets/1"' in page.text
    _, theirs, *_ = re.findall(r'href="/orgs/acme/audit\?(actor=token[^"]*)"', page.text)  # behind the sign-in
    narrowed = words_of((await world.http.get(f"/orgs/acme/audit?{html.unescape(theirs)}&outcome=refused")).text)
    assert ("tickets/9/start" in narrowed, "nonsense" in narrowed) == (True, True)
    assert ("tickets/1/start" in narrowed, "The installation" in narrowed) == (False, False)
    for query, there in (
        ("thing=tickets/1", True),
        ("thing=tokens", False),
        ("outcome=done&thing=tickets", True),
        ("outcome=failed", False),
        ("since=2026-01-01", True),
        ("until=2026-01-01", False),
        ("since=nonsense&until=9999-12-31&thing=%00", True),
    ):
        page = await world.http.get(f"/orgs/acme/audit?{query}")
        assert (page.status_code, "tickets/1/start" in words_of(page.text)) == (200, there), query
    assert "Nothing of that kind" in (await world.http.get("/orgs/acme/audit?thing=nothing")).text


@pytest.mark.rule("AC-133")
async def test_the_audit_log_comes_in_pages(world: World) -> None:
    operator = await world.token("acme", "operator")
    for number in range(60):
        await world.call("PUT", f"/api/v1/orgs/acme/tickets/{number}/links", operator, json={})
    await world.sign_in("acme", "admin")
    path, seen = "/orgs/acme/audit?thing=tickets", []
    while path:
        page = await world.http.get(path)
        seen += re.findall(r">tickets/(\d+)<", page.text)
        further = re.search(r'rel="next" href="([^"]*)"', page.text)
        path = html.unescape(further[1]) if further else ""
    assert seen == [str(number) for number in reversed(range(60))]


@pytest.mark.rule("AC-136")
async def test_a_token_is_made_and_its_text_shown_once(world: World) -> None:
    await world.sign_in("acme", "admin")
    asked = {"name": EVIL, "role": "operator", "days": "30", "command_id": "page-mint-1"}
    made = await world.post("/orgs/acme/tokens", **asked)
    [text] = re.findall(r'id="minted">(ftl_[\w-]+)<', made.text)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    assert "<script>alert" not in made.text
    listed = (await world.call("GET", TOKENS, await world.token("acme"))).json()["items"][-1]
    assert (listed["name"], listed["role"]) == (EVIL, "operator")
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", text)).status_code == 200
    again = await world.post("/orgs/acme/tokens", **asked)
    assert ("ftl_" in again.text, "was made when this form was sent first" in again.text) == (False, True)
    assert "ftl_" not in (await world.http.get("/orgs/acme/tokens")).text
    for wrong in ({"role": "king"}, {"days": "0"}, {"days": "400"}, {"name": "a\nb"}, {"name": "x" * 121}):
        refused = await world.post("/orgs/acme/tokens", **{**asked, "command_id": "page-mint-2", **wrong})
        assert (refused.status_code, 'class="refused' in refused.text) == (400, True), wrong
    assert len((await world.call("GET", TOKENS, await world.token("acme"))).json()["items"]) == 2


@pytest.mark.rule("AC-138")
async def test_an_admin_gives_people_roles_and_takes_them_out(world: World) -> None:
    await world.sign_in("acme", "admin")
    path = "/orgs/acme/members"
    assert "No members yet" in words_of((await world.http.get(path)).text)
    for number, (person, role) in enumerate((("ann@acme.test", "admin"), ("Bob@acme.test", "viewer"))):
        given = await world.post(path, command_id=f"give-{number}", person=person, role=role)
        assert (given.status_code, given.headers["location"]) == (303, path)
    said = words_of((await world.http.get(path)).text)
    assert re.search(r"ann@acme.test Admin this org never Take out .* bob@acme.test Viewer this org", said)
    last = await world.post(path, command_id="give-3", person="ann@acme.test", role="none")
    assert (last.status_code, "last admin among its members" in last.text) == (409, True)
    gone = await world.post(path, command_id="give-4", person="bob@acme.test", role="none")
    assert (gone.status_code, "bob@acme.test" in (await world.http.get(path)).text) == (303, False)
    for wrong in ({"role": "king"}, {"role": "ingest"}, {"person": ""}, {"person": "nobody@acme.test", "role": "none"}):
        refused = await world.post(path, **{"command_id": "give-5", "person": EVIL, "role": "viewer", **wrong})
        assert (refused.status_code in (400, 404), "<script>alert" in refused.text) == (True, False), wrong
    listed = (await world.call("GET", "/api/v1/orgs/acme/audit?thing=members", await world.token("acme"))).json()[
        "items"
    ]
    assert [(one["status"], one["door"]) for one in listed][-2:] == [(200, "page"), (200, "page")]
    await world.sign_in("acme", "viewer")
    assert (await world.http.get(path)).status_code == 403


@pytest.mark.rule("AC-136", "AC-118", "AC-1")
async def test_revoking_says_what_it_ends_and_ends_it(world: World) -> None:
    brief = await world.token("acme", "viewer", name="Wall")
    await world.sign_in("acme", "viewer")
    world.http.cookies.clear()
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/tokens")
    said = words_of(page.text)
    assert re.search(r"Wall Viewer (now|\d+ s ago) .* one person Revoke", said)
    assert re.search(r"admin of acme yours Admin", said)
    wall, own = sorted(re.findall(r"revoke=([0-9a-f-]{36})", page.text))
    asked = words_of((await world.http.get(f"/orgs/acme/tokens?revoke={wall}")).text)
    assert "Revoke Wall? Whatever uses it is refused from now on. One person is signed out with it." in asked
    revoked = await world.post(f"/orgs/acme/tokens/{wall}/revoke")
    assert (revoked.status_code, revoked.headers["location"]) == (303, "/orgs/acme/tokens")
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", brief)).status_code == 401
    assert (await world.http.get(f"/orgs/acme/tokens?revoke={wall}")).status_code == 404
    assert (await world.post(f"/orgs/acme/tokens/{wall}/revoke")).status_code == 303
    asked = words_of((await world.http.get(f"/orgs/acme/tokens?revoke={own}")).text)
    assert "You signed in with it, and will be signed out." in asked
    kept = (await world.call("GET", "/api/v1/orgs/acme/audit?thing=tokens", await world.token("acme"))).json()["items"]
    assert [(one["method"], one["status"], one["door"]) for one in kept[:2]] == [
        ("DELETE", 404, "page"),
        ("DELETE", 204, "page"),
    ]
    await world.post(f"/orgs/acme/tokens/{own}/revoke")
    assert (await world.http.get("/orgs/acme/tokens")).headers["location"].startswith("/sign-in")


@pytest.mark.rule("AC-136", "AC-133", "AC-137", "AC-3")
async def test_admin_is_for_admins(world: World) -> None:
    await world.sign_in("acme", "operator")
    assert ">Admin<" not in (await world.http.get("/orgs/acme/tickets")).text
    for path in ("settings", "tokens", "audit", "export.jsonl"):
        assert (await world.http.get(f"/orgs/acme/{path}")).status_code == 403
    for path in ("settings", "settings/delete"):
        assert (await world.post(f"/orgs/acme/{path}", name="x", confirm="acme")).status_code == 403
    minted = await world.post("/orgs/acme/tokens", role="admin", days="7", command_id="1")
    revoked = await world.post("/orgs/acme/tokens/0198c0de-0000-7000-8000-000000000001/revoke")
    assert (minted.status_code, revoked.status_code) == (403, 403)
    await world.token("zoo")
    for path in ("settings", "tokens", "audit", "dead-letters"):
        assert (await world.http.get(f"/orgs/zoo/{path}")).status_code == 404
    await world.sign_in("acme", "admin")
    assert ">Admin<" in (await world.http.get("/orgs/acme/tickets")).text


@pytest.mark.rule("AC-137")
async def test_an_org_has_another_name_and_the_services_are_told(world: World) -> None:
    admin = await world.token("acme")
    await world.sign_in("acme", "admin")
    assert (await world.post("/orgs/acme/settings", name=" Acme & Söhne ")).status_code == 303
    page = await world.http.get("/orgs/acme/tickets")
    assert "Acme &amp; Söhne" in page.text
    for name in ("", "  ", "a\nb", "x" * 201):
        refused = await world.post("/orgs/acme/settings", name=name)
        assert (refused.status_code, 'class="refused' in refused.text) == (400, True)
        answer = await world.call("PUT", "/api/v1/orgs/acme", admin, json={"name": name})
        assert (answer.status_code, answer.json()["field"]) == (400, "name")
    by_api = await world.call("PUT", "/api/v1/orgs/acme", admin, json={"name": "Acme Ltd"})
    assert (by_api.status_code, by_api.json()["name"]) == (200, "Acme Ltd")
    assert (await world.call("PUT", "/api/v1/orgs/zoo", admin, json={"name": "x"})).status_code == 404
    assert (await world.call("PUT", "/api/v1/orgs/nobody", BOOTSTRAP, json={"name": "x"})).status_code == 404
    operator = await world.token("acme", "operator")
    assert (await world.call("PUT", "/api/v1/orgs/acme", operator, json={"name": "x"})).status_code == 403
    consumer = build_consumer(world.settings, world.settings.topic(ORGS), client_id="test")
    await consumer.start()
    try:
        await consumer.seek_to_beginning()
        names: list[str] = []
        while names[-1:] != ["Acme Ltd"]:
            record = await consumer.getone()
            told = Org.from_json(from_record(list(record.headers), record.key, record.value).data)
            if told.org == "acme":
                names.append(told.name)
    finally:
        await consumer.stop()
    assert names[-2:] == ["Acme & Söhne", "Acme Ltd"]


@pytest.mark.rule("AC-137", "AC-9")
async def test_an_org_is_deleted_by_typing_its_id_and_its_tickets_can_be_taken_along(world: World) -> None:
    admin = await world.token("acme")
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/settings")
    assert "One ticket goes, and with it everything" in words_of(page.text)
    [field] = [attributes for tag, attributes in elements(page.text) if attributes.get("id") == "confirm"]
    assert field["pattern"] == "acme"
    taken = await world.http.get("/orgs/acme/export.jsonl")
    assert taken.headers["content-disposition"] == 'attachment; filename="acme-tickets.jsonl"'
    for wrong in ("", "Acme", "zoo"):
        kept = await world.post("/orgs/acme/settings/delete", confirm=wrong)
        assert (kept.status_code, "Nothing was deleted" in kept.text) == (409, True)
    gone = await world.post("/orgs/acme/settings/delete", confirm=" acme ")
    assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in")
    assert (await world.http.get("/orgs/acme/tickets")).headers["location"].startswith("/sign-in")
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", admin)).status_code == 401
