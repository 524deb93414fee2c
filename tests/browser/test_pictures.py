"""A picture of each page of the console, for docs/pictures.md: every page has one, and every one is shown."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from fettle_console.entrypoints.pages.app import MODULES
from tests.browser.test_admin_work import letters, unreadable
from tests.browser.test_health_work import beat, patient
from tests.browser.test_live_pages import NOTE, report
from tests.browser.test_ticket_work import portrait
from tests.browser.test_workflow_pages import BY_HAND
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually

DOCS = Path(__file__).parents[2] / "docs"

SHOWN = {
    "/sign-in": ("sign-in",),
    "/orgs/{org}/tickets": ("list", "tickets-dark"),
    "/orgs/{org}/tickets/new": ("report",),
    "/orgs/{org}/tickets/{number}": ("ticket", "rollup"),
    "/orgs/{org}/tickets/{number}/told": ("told",),
    "/orgs/{org}/tickets/{number}/timeline": ("timeline",),
    "/orgs/{org}/tickets/{number}/checklist": ("checklist",),
    "/orgs/{org}/health/overview": ("overview", "overview-dark"),
    "/orgs/{org}/health": ("subjects",),
    "/orgs/{org}/health/{type}/{id:path}": ("subject", "subject-dark"),
    "/orgs/{org}/why": ("why",),
    "/orgs/{org}/heard": ("heard",),
    "/orgs/{org}/health/silences": ("silences",),
    "/orgs/{org}/new-silence": ("new-silence",),
    "/orgs/{org}/health/policies": ("policies",),
    "/orgs/{org}/workflows": ("workflows",),
    "/orgs/{org}/workflows/{name}": ("workflow", "workflow-dark"),
    "/orgs/{org}/workflows/{name}/versions/{version}": ("version",),
    "/orgs/{org}/workflows/{name}/edit": ("workflow-editor",),
    "/orgs/{org}/workflows/{name}/try": ("try",),
    "/orgs/{org}/workflows/{name}/start": ("start",),
    "/orgs/{org}/workflows/{name}/hook": ("hook",),
    "/orgs/{org}/new-workflow": ("new-workflow",),
    "/orgs/{org}/runs": ("runs",),
    "/orgs/{org}/runs/{id}": ("run",),
    "/orgs/{org}/channels": ("channels",),
    "/orgs/{org}/new-channel": ("new-channel",),
    "/orgs/{org}/channels/{name}/edit": ("channel",),
    "/orgs/{org}/settings": ("org",),
    "/orgs/{org}/members": ("members",),
    "/orgs/{org}/tokens": ("tokens",),
    "/orgs/{org}/audit": ("audit",),
    "/orgs/{org}/dead-letters": ("dead-letters",),
    "/orgs/{org}/dead-letters/{topic}/{offset}": ("dead-letter",),
}
"""The pictures of each page."""

ELSEWHERE = frozenset(
    {"list", "ticket", "overview", "new-silence", "policies", "workflow-editor", "run", "audit", "dead-letter"}
)
"""Those that other tests take, of a page on which something has been done."""

NO_PAGES = frozenset(
    {
        *("/", "/sign-in/provider", "/sign-in/provider/back", "/orgs/{org}/live", "/orgs/{org}/export.jsonl"),
        *("/orgs/{org}/open-count", "/orgs/{org}/judging", "/orgs/{org}/health/last-heard"),
    }
)

MOST_KB = 3000
"""Of all pictures together, which stand in Git."""


@pytest.mark.rule("AC-188")
def test_every_page_has_its_picture_and_every_picture_is_shown() -> None:
    routes = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if "GET" in (route.methods or ())} - NO_PAGES == set(SHOWN)
    there = {picture.stem: picture.stat().st_size for picture in (DOCS / "pictures").iterdir()}
    assert set(there) == set(chain.from_iterable(SHOWN.values()))
    texts = "".join(page.read_text() for page in (DOCS / "pictures.md", DOCS / "console.md"))
    assert set(re.findall(r"\(pictures/([a-z-]+)\.webp\)", texts)) == set(there)
    assert sum(there.values()) < MOST_KB * 1024


@pytest.mark.slow
@pytest.mark.rule("AC-188")
def test_each_page_sits_for_its_portrait(window: Window, org: OrgApi, installed: Installation, pictures: Path) -> None:
    patient(org)
    org._call("PUT", "", json={"name": "Acme"}).raise_for_status()
    assert org.post_yaml("/workflows", BY_HAND).status_code == 201
    assert org.put_yaml("/workflows/by-hand", BY_HAND.replace("Somebody looks", "Ann looks")).status_code == 200
    assert org.post("/workflows/by-hand/hook/secrets").status_code == 201
    mail = {"host": "mail.acme.example", "from": "fettle@acme.example", "to": ["ops@acme.example"]}
    assert org.put("/channels/duty", {"kind": "email", "settings": mail}).status_code == 201
    for name, role in (("Night shift", "operator"), ("Dashboard", "viewer"), ("Gateway north", "ingest")):
        org.new_token(role, name)
    for person, role in (("ann@acme.example", "admin"), ("bob@acme.example", "operator")):
        assert org.put("/members", {"person": person, "role": role}).status_code < 300
    beat(org, *(f"n{number}" for number in range(12)), integration="gateway-north", space="oslo/b2")
    beat(org, *(f"s{number}" for number in range(9)), integration="gateway-south", space="bergen")
    beat(org, *"abcdef")
    eventually(lambda: len(org.get("/subjects", state="healthy")["items"]) == 27, "all are healthy")
    beat(org, "s1", integration="gateway-south", space="bergen", status="offline")
    beat(org, *"abcdef", status="offline")
    [many] = eventually(lambda: org.tickets(kind="multiple_devices_offline"), "the ticket of six")
    assert org.post_yaml("/workflows", NOTE).status_code == 201
    number = report(org, "Lift 3 makes a noise", space="oslo/hq", description="Since *this morning*, on every floor.")
    report(org, "Door 14 does not lock", space="oslo/b2")
    org.post(f"/tickets/{number}/start", {"comment": "On my way."}).raise_for_status()
    org.post(f"/tickets/{number}/comments", {"comment": "Oiled it; it **still squeaks**."}).raise_for_status()
    org.post("/silences", {"filter": {"space": "bergen"}, "length_s": 14400, "reason": "Rewiring"}).raise_for_status()
    org.post("/workflows/by-hand/runs", {"data": {"ticket": number}}).raise_for_status()
    eventually(lambda: org.runs("by-hand", state="done"), "a run that has ended")
    eventually(lambda: len(org.runs("note-what-opens", state="done")) == 2, "a run for each report")
    unreadable(installed, org.org, "Lift 4 makes a noise")
    window.go(f"/orgs/{org.org}/dead-letters")
    window.until(lambda: letters(window), "the letter")
    heard_at = eventually(lambda: org.get("/subjects/device/a")["last_heard"], "when it was heard")

    paths = {
        "tickets-dark": "tickets?state=all",
        "report": "tickets/new",
        "rollup": f"tickets/{many['number']}",
        "told": f"tickets/{number}/told",
        "timeline": f"tickets/{number}/timeline",
        "checklist": f"tickets/{many['number']}/checklist",
        "overview-dark": "health/overview",
        "subjects": "health",
        "subject": "health/device/a",
        "subject-dark": "health/device/a",
        "why": "why?subject=device/a",
        "heard": f"heard?subject=device/a&at={heard_at}",
        "silences": "health/silences",
        "workflows": "workflows",
        "workflow": "workflows/by-hand",
        "workflow-dark": "workflows/by-hand",
        "version": "workflows/by-hand/versions/1",
        "try": f"workflows/note-what-opens/try?on=ticket.opened&ticket={number}",
        "start": "workflows/by-hand/start",
        "hook": "workflows/by-hand/hook",
        "new-workflow": "new-workflow",
        "runs": "runs",
        "channels": "channels",
        "new-channel": "new-channel?kind=webhook",
        "channel": "channels/duty/edit",
        "org": "settings",
        "members": "members",
        "tokens": "tokens",
        "dead-letters": "dead-letters",
    }
    assert {*paths, *ELSEWHERE, "sign-in"} == set(chain.from_iterable(SHOWN.values()))
    for name, path in paths.items():
        window.go(f"/orgs/{org.org}/{path}")
        window.until(lambda: not window.all(".htmx-request, [aria-busy=true]"), f"{name} with all of it")
        portrait(window, pictures / f"{name}.webp", dark=name.endswith("-dark"))
    window.leave()
    window.go("/sign-in")
    portrait(window, pictures / "sign-in.webp")
