"""What the pages of one thing show of it is what the API answers: every value of a ticket, a subject, a workflow, a
run, and of the lists around them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from fettle_console.views import words
from fettle_console.views.outcomes import NODES, RUNS
from fettle_console.views.rollups import deed, progress
from fettle_console.views.runs import took
from fettle_console.views.workflows import trigger
from fettle_contracts.people import Actor
from fettle_contracts.ticket import Checklist, Resolution, TicketSource, TicketState
from fettle_contracts.ticket_events import TRIGGERS, Entry, EntryType
from fettle_contracts.transitions import HealthState
from tests.browser.test_health_work import beat, patient
from tests.browser.test_live_pages import report
from tests.browser.test_screen_and_api import agreeing
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

Thing = Mapping[str, Any]

LOOK = """
workflow: look-after-it
title: Look after it
description: Says that somebody looks.
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: event.ticket.source == "user"}
  pressed: {trigger: manual}
  noted: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Somebody looks.}}
  failed: {after: [pressed], action: fail, with: {message: Nobody is there.}}
"""

_SAID = """
const said = (element) => {
  const copy = element.cloneNode(true);
  for (const at of copy.querySelectorAll("time")) at.replaceWith(new Date(at.dateTime).toISOString());
  for (const gone of copy.querySelectorAll(".sr, button, .edit, .chip")) gone.remove();
  return copy.textContent.trim().replace(/\\s+/g, " ");
};
return [...document.querySelectorAll(arguments[0])].map(said);
"""


def said(window: Window, selector: str) -> list[str]:
    """What each element says, with times as the API writes them, without what only acts."""
    found: list[str] = window.chrome.execute_script(_SAID, selector)
    return found


def pairs(window: Window, dl: str) -> dict[str, str]:
    return dict(zip(said(window, f"{dl} > div > dt"), said(window, f"{dl} > div > dd"), strict=True))


def attributes(window: Window, selector: str, name: str) -> list[str | None]:
    code = "return [...document.querySelectorAll(arguments[0])].map((one) => one.getAttribute(arguments[1]))"
    found: list[str | None] = window.chrome.execute_script(code, selector, name)
    return found


def seed(org: OrgApi) -> dict[str, int]:
    """The numbers of a ticket about many, one that was worked on, edited and linked, and one that was resolved."""
    patient(org)
    assert org.post_yaml("/workflows", LOOK).status_code == 201
    lamp = {"name": "Lamp a", "integration": "hue-1", "space": "oslo/hq", "model": "lct015", "interval_s": 30}
    assert org.put("/subjects/device/a", lamp).status_code in (200, 201)
    beat(org, *"abcdef")
    eventually(lambda: len(org.get("/subjects", state="healthy")["items"]) == 6, "all are healthy")
    beat(org, *"abcdef", status="offline")
    [many] = eventually(lambda: org.tickets(kind="multiple_devices_offline"), "the ticket of six")
    eventually(lambda: org.get(f"/tickets/{many['number']}")["checklist"]["total"] == 6, "all of them on it")
    beat(org, "b")
    eventually(lambda: org.get(f"/tickets/{many['number']}")["checklist"]["recovered"] == 1, "one is back")
    worked = report(org, "Lift 3 makes a noise", space="oslo/hq", description="Since this morning.", kind="lift_check")
    resolved = report(org, "Door 14 does not lock")
    eventually(lambda: [run["state"] for run in org.runs("look-after-it")] == ["done"] * 2, "both are looked after")
    org.post(f"/tickets/{worked}/start", {"comment": "On my way."}).raise_for_status()
    seen = {"if-match": "*"}
    org.put(f"/tickets/{worked}/description", {"description": "Since yesterday."}, **seen).raise_for_status()
    links = [{"label": "WO-7", "url": "https://orders.test/7"}]
    org.put(f"/tickets/{worked}/links", {"links": links}, **seen).raise_for_status()
    org.post(f"/tickets/{resolved}/resolve").raise_for_status()
    org.post("/silences", {"subject": "device/a", "length_s": 3600, "reason": "Rewiring"}).raise_for_status()
    org.post("/workflows/look-after-it/runs", {"data": {"ticket": worked}}).raise_for_status()
    eventually(lambda: org.runs("look-after-it", state="failed"), "the run that fails")
    assert org.put_yaml("/workflows/look-after-it", LOOK.replace("looks", "looks now")).status_code == 200
    return {"many": many["number"], "worked": worked, "resolved": resolved}


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.rule("AC-160")
def test_every_value_on_the_pages_of_one_thing_is_the_apis(window: Window, org: OrgApi) -> None:
    numbers = seed(org)
    agrees = partial(agreeing, window, org)
    for name, number in numbers.items():
        page = f"/tickets/{number}"
        agrees(page, partial(_ticket_shown, window), partial(_ticket, org, number))
        agrees(page, lambda: said(window, "#told li p:first-child, #told > .hint"), partial(_told, org, number))
        if name == "many":
            agrees(
                f"{page}/checklist",
                partial(_members_shown, window),
                lambda: _members(org.get(f"/tickets/{numbers['many']}")),
            )
    for id in ("a", "b"):
        agrees(f"/health/device/{id}", partial(_subject_shown, window), partial(_subject, org, id))
    agrees("/workflows", lambda: rows(window, "#workflows", 4), lambda: _workflows(org))
    agrees("/workflows/look-after-it", partial(_workflow_shown, window), lambda: _workflow(org))
    agrees("/runs", lambda: rows(window, "#runs", 6), lambda: [_run_row(run) for run in org.get("/runs")["items"]])
    for run in org.get("/runs")["items"]:
        agrees(f"/runs/{run['id']}", partial(_run_shown, window), partial(_run, org, run["id"]))


def rows(window: Window, table: str, cells: int) -> list[tuple[str, ...]]:
    """The first cells of each row, from left to right."""
    columns = [said(window, f"{table} tbody tr > :nth-child({at})") for at in range(1, cells + 1)]
    return list(zip(*columns, strict=True))


def _who(actor: Thing) -> str:
    return words.actor(Actor.model_validate(actor))


def _ticket_shown(window: Window) -> dict[str, Any]:
    return {
        "number": said(window, ".crumbs .number"),
        "state": said(window, ".crumbs .state"),
        "resolution": said(window, ".crumbs .hint"),
        "title": said(window, "#ticket h1"),
        "open": said(window, "#open-count"),
        "about": pairs(window, ".about > dl:not(.related)"),
        "links": list(zip(said(window, ".about .link a"), attributes(window, ".about .link a", "href"), strict=True)),
        "recovered": said(window, ".recovered"),
        "members": _members_shown(window),
        "description": said(window, ".description > .markdown"),
        "timeline": list(
            zip(
                attributes(window, ".entry", "data-version"),
                said(window, ".entry .deed"),
                attributes(window, ".entry .mark", "title"),
                strict=True,
            )
        ),
        "comments": said(window, ".entry .bubble"),
    }


def _ticket(org: OrgApi, number: int) -> dict[str, Any]:
    ticket, entries = org.get(f"/tickets/{number}"), org.timeline(number)
    subject = f"{ticket['subject']['type']}/{ticket['subject']['id']}"
    about = {
        "Subject": f"{ticket['subject'].get('name') or ticket['subject']['id']}{subject} All its tickets",
        "Space": ticket.get("space"),
        "Integration": ticket.get("integration"),
        "Kind": words.kind(ticket["kind"]),
        "Source": words.SOURCES[TicketSource(ticket["source"])],
        "Opened": f"{ticket['opened_at']} by {_who(ticket['opened_by'])}",
        "Updated": ticket["updated_at"],
    }
    for did in ("started", "resolved"):
        if ticket.get(f"{did}_at"):
            about[did.capitalize()] = f"{ticket[f'{did}_at']} by {_who(ticket[f'{did}_by'])}"
    resolution = ticket.get("resolution")
    checklist = progress(Checklist.model_validate(ticket["checklist"]))
    return {
        "number": [f"#{number}"],
        "state": [words.STATES[TicketState(ticket["state"])]],
        "resolution": [words.RESOLUTIONS[Resolution(resolution)]] if resolution else [],
        "title": [ticket["title"]],
        "open": [str(org.get("/tickets/count")["open"])],
        "about": {name: value for name, value in about.items() if value},
        "links": [(link["label"], link["url"]) for link in ticket["links"]],
        "recovered": [checklist] if checklist else [],
        "members": _members(ticket),
        "description": [ticket["description"]] if ticket["description"] else [],
        "timeline": [
            (
                str(entry["version"]),
                f"{_who(entry['actor'])} {_did(entry, ticket)} {entry['at']}",
                "A person" if entry["actor"]["type"] == "user" else "Automated",
            )
            for entry in entries
        ],
        "comments": [entry["body"] for entry in entries if entry["type"] == EntryType.COMMENT_ADDED],
    }


def _did(entry: Thing, ticket: Thing) -> str:
    if entry["type"] == EntryType.CHECKLIST_CHANGED:
        return deed(entry["evidence"])
    did = words.deed(Entry.model_validate(entry))
    if entry["type"] == EntryType.RESOLVED:
        return f"{did} ({words.RESOLUTIONS[Resolution(ticket['resolution'])]})"
    return did


def _members_shown(window: Window) -> list[tuple[str | None, str]]:
    return list(zip(attributes(window, ".checklist li", "data-state"), said(window, ".checklist li"), strict=True))


def _members(ticket: Thing) -> list[tuple[str | None, str]]:
    return [
        (
            "resolved" if one["recovered"] else "open",
            " ".join(filter(None, (one["name"] or one["id"], one.get("recovered_at")))),
        )
        for one in ticket["checklist"]["items"]
    ]


def _told(org: OrgApi, number: int) -> list[str]:
    events = [entry["id"] for entry in org.timeline(number) if entry["type"] in TRIGGERS]
    return [
        f"{run['workflow']} version {run['version']} on {run['trigger'].removeprefix('ticket.')}: {run['state']} "
        f"{run['started_at']}"
        for run in org.get("/runs", event=events)["items"]
    ] or ["Nobody yet: no workflow has started with this ticket."]


def _subject_shown(window: Window) -> dict[str, Any]:
    return {
        "state": said(window, ".crumbs .state"),
        "name": said(window, "#subject h1"),
        "about": pairs(window, ".about dl"),
        "changes": said(window, ".changes li"),
        "tickets": said(window, "[aria-labelledby=tickets-title] .line"),
        "bands": attributes(window, "#day .band", "data-state"),
        "flags": len(attributes(window, "#day .flag", "x")),
        "silences": len(attributes(window, "#day .quieted", "x")),
        "unseen": len(attributes(window, "#day .unseen", "x")),
        "silenced": said(window, ".silenced p"),
    }


def _subject(org: OrgApi, id: str) -> dict[str, Any]:
    subject = org.get(f"/subjects/device/{id}")
    moved = org.get("/transitions", subject=f"device/{id}")["items"]
    own = org.tickets(subject=f"device/{id}")
    about = {
        "Last heard": subject["last_heard"],
        "Integration": subject["integration"],
        "Space": subject["space"],
        "Model": subject["model"],
        "Reports every": words.length(subject["interval_s"]),
        "Registry": "registered" if subject["registered"] else "known from its heartbeats only",
        "Policy": f"version {subject['policy_version']}",
    }
    return {
        "state": [words.HEALTH[HealthState(subject["state"])]],
        "name": [subject["name"]],
        "about": {name: value for name, value in about.items() if value},
        "changes": [
            f"{words.HEALTH[HealthState(one['to'])]} {_because(one)} {one['at']}".replace("  ", " ") for one in moved
        ],
        "tickets": [
            f"{words.STATES[TicketState(one['state'])]} #{one['number']} {one['title']} {one['opened_at']}"
            for one in own
        ],
        "bands": [one["to"] for one in reversed(moved)],
        "flags": len(own),
        "silences": len(subject["silenced"]),
        "unseen": len(subject["blind"]),
        "silenced": [
            f"{subject['name']} is silenced until {one['until']}: {one['reason']}. It opens no other ticket until "
            "then. by you"
            for one in org.get("/silences", state="active", subject=f"device/{id}")["items"]
        ],
    }


def _because(transition: Thing) -> str:
    wrong = [words.condition(transition["condition"])] if transition.get("condition") else []
    reason = (transition.get("evidence") or {}).get("reason")
    return ", ".join([*wrong, *([reason.replace("_", " ")] if reason else [])])


def _workflows(org: OrgApi) -> list[tuple[str, ...]]:
    return [
        (
            "Enabled" if one["enabled"] else "Draft",
            f"{one['title']} {one['workflow']}",
            " or ".join(dict.fromkeys(trigger(kind) for kind in one["triggers"])),
            next((f"{RUNS[run['state']].word} {run['started_at']}" for run in org.runs(one["workflow"])), "never"),
        )
        for one in org.get("/workflows")["items"]
    ]


def _workflow_shown(window: Window) -> dict[str, Any]:
    return {
        "head": said(window, "#workflow .crumbs :is(code, .state), #workflow h1"),
        "document": window.script("return document.querySelector('pre[aria-label=Document]').textContent"),
        "saved": said(window, "#document-title small"),
        "runs": said(window, "[aria-labelledby=runs-title] .line"),
        "versions": said(window, ".versions li"),
        "nodes": sorted(name.partition(":")[0] for name in attributes(window, ".graph a", "aria-label") if name),
    }


def _workflow(org: OrgApi) -> dict[str, Any]:
    path = "/workflows/look-after-it"
    one, names = org.get(path), {f"token/{token['id']}": token["name"] for token in org.get("/tokens")["items"]}
    by = {saver: names.get(saver) or saver for saver in [one["saved_by"]]}
    return {
        "head": [one["workflow"], "Enabled", one["title"]],
        "document": one["document"],
        "saved": [f"version {one['version']}, saved {one['saved_at']} by {by[one['saved_by']]}"],
        "runs": [
            f"{RUNS[run['state']].word} {run['started_at']}, as {trigger(run['trigger'])}"
            for run in org.runs("look-after-it")[:5]
        ],
        "versions": [
            f"Version {saved['version']} {saved['saved_at']} by {by[saved['saved_by']]}"
            for saved in org.get(f"{path}/versions")["items"]
        ],
        "nodes": sorted(node["node"] for node in org.get(f"{path}/graph")["nodes"]),
    }


def _run_row(run: Thing) -> tuple[str, ...]:
    return (
        RUNS[run["state"]].word,
        f"{run['workflow']} version {run['version']}",
        trigger(run["trigger"]),
        (run["error"] or {}).get("message", ""),
        took(run),
        run["started_at"],
    )


def _run_shown(window: Window) -> dict[str, Any]:
    texts = "return [...document.querySelectorAll(arguments[0])].map((one) => JSON.parse(one.textContent))"
    return {
        "id": said(window, "#run .crumbs code"),
        "state": said(window, "#run .crumbs .state"),
        "of": pairs(window, ".of-run"),
        "event": window.chrome.execute_script(texts, "#event pre"),
        "nodes": list(zip(said(window, ".nodes li > .state"), said(window, ".nodes li p:first-child"), strict=True)),
        "inputs": window.chrome.execute_script(texts, ".nodes [id^=input-] pre"),
        "outputs": window.chrome.execute_script(texts, ".nodes [id^=output-] pre"),
    }


def _run(org: OrgApi, id: str) -> dict[str, Any]:
    run = org.get(f"/runs/{id}")
    ticket = (run["event"].get("ticket") or {}).get("number") if isinstance(run["event"].get("ticket"), dict) else None
    of = {
        "Workflow": f"{run['workflow']}, version {run['version']}",
        "Started because": trigger(run["trigger"]) + (f": #{ticket}" if ticket else ""),
        "Started": run["started_at"],
        "Took": took(run),
        "Its event": "Try it on the document as it is",
    }
    return {
        "id": [run["id"]],
        "state": [RUNS[run["state"]].word],
        "of": of,
        "event": [run["event"]],
        "nodes": [(NODES[one["state"]].word, _node(one)) for one in run["nodes"]],
        "inputs": [one["input"] for one in run["nodes"] if one["input"]],
        "outputs": [one["output"] for one in run["nodes"] if one["output"]],
    }


def _node(one: Thing) -> str:
    attempts = f", {one['attempts']} attempts" if one["attempts"] > 1 else ""
    lasted = "" if one["state"] == "skipped" else took(one)
    return f"{one['node']} {one['started_at']}{f', took {lasted}' if lasted else ''}{attempts}"
