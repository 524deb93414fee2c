"""Tickets worked in a real browser on a whole installation: many at once, one in depth, one by two people."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from tests.browser.test_live_pages import NOTE, beat, report
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

ESCAPE = "\ue00c"
ENTER = "\n"
SHIFT = "\ue008"


@pytest.mark.slow
@pytest.mark.rule("AC-76", "AC-77")
def test_many_tickets_are_worked_by_keyboard_while_the_list_goes_on(
    window: Window, org: OrgApi, pictures: Path
) -> None:
    titles = ["Lift 3 makes a noise", "Door 14 does not lock", "Meeting room screen is black"]
    for title in reversed(titles):
        report(org, title, space="oslo/hq/3")
    window.until(lambda: window.rows() == titles, "three tickets")
    window.mark()
    window.press("j", "x", "j", "x")
    assert window.text("#picked") == "2 selected"
    report(org, "Tap in the kitchen drips")
    window.until(lambda: window.text("#news") == "1 new", "what waits")
    assert (window.rows(), window.text("#picked")) == (titles, "2 selected")
    portrait(window, pictures / "list.webp")
    assert window.chrome.current_url.endswith("#open2")

    window.press("c", *"On it", "\n")
    window.until(lambda: "2 tickets commented on" in window.text("#outcome"), "the outcome of the comment")
    assert [org.timeline(number)[-1]["body"] for number in (2, 3)] == ["On it", "On it"]
    window.until(lambda: window.texts(".bulk b") == [""], "the bar gone with the selection")

    window.press("k", "s")
    window.until(lambda: "1 ticket started" in window.text("#outcome"), "the outcome at the cursor")
    started = next(ticket["number"] for ticket in org.tickets() if ticket["state"] == "in_progress")
    window.one("#outcome button").click()
    window.until(lambda: "1 ticket moved back to open" in window.text("#outcome"), "the start taken back")
    assert [entry["type"] for entry in org.timeline(started)][-2:] == ["started", "moved-to-open"]

    window.press("j", "x", ESCAPE)
    assert window.texts(".bulk b") == [""]
    assert not window.reloaded()
    window.press("\n")
    window.until(lambda: window.all("#ticket"), "the ticket at the cursor")
    shown = window.one("#ticket").get_attribute("data-number")
    window.one("#back").click()
    window.until(lambda: window.focused() == f"open{shown}", "the list with the cursor where it was")


@pytest.mark.slow
@pytest.mark.rule("AC-79", "AC-80", "AC-81", "AC-82", "AC-86")
def test_a_silent_device_is_understood_and_silenced(window: Window, org: OrgApi, pictures: Path) -> None:
    assert org.post_yaml("/workflows", NOTE).status_code in (200, 201)
    beat(org, "t17")
    window.until(lambda: window.rows() == ["Device offline: Thermostat t17"], "the ticket")
    window.press("j", "\n")
    window.until(lambda: "note-what-opens" in window.text("#told"), "who was told")

    window.one("#why-here summary").click()
    window.until(lambda: window.text("#why .because"), "why it opened")
    assert "its silence was too long" in window.text("#why .because")
    assert "instead of" in window.text("#why")

    portrait(window, pictures / "ticket.webp", dark=True)
    window.press("c", *"It is **down**.")
    window.one("#update [data-mode='preview']").click()
    window.until(lambda: window.text("#update .preview strong") == "down", "the preview")
    window.one("#update [data-mode='write']").click()
    assert window.focused() == "comment"

    window.one(".about .silence").click()
    window.until(lambda: window.one("#silence").is_displayed(), "the dialog")
    assert "Silence for 4 h" in window.text("#silence")
    window.one("#silence [data-words='1 h'] + span").click()
    assert "Silence for 1 h" in window.text("#silence")
    window.press("\t", *"Battery swap", "\n")
    window.until(lambda: "is silenced until" in window.text(".silenced"), "the silence")
    [silence] = org.get("/silences", state="active")["items"]
    assert (silence["length_s"], silence["reason"], silence["subject"]) == (3600, "Battery swap", "device/t17")
    window.one(".silenced button").click()
    window.until(lambda: not window.all(".silenced"), "the silence ended")
    assert org.get("/silences", state="active")["items"] == []

    window.one(".about dd a").click()
    window.until(lambda: window.all("#day .band[data-state='firing']"), "the subject's day with its trouble")
    assert "Thermostat t17 has been down for" in window.text(".sentence")
    assert window.all("#day .gap")
    assert window.all("#day .flag")
    window.point_at("#day")
    window.click()
    window.until(lambda: window.text("#why-then .because"), "why there was no ticket twelve hours ago")
    window.mark()
    window.until(lambda: beat_until_heard(window, org), "the subject heard again, on its page")
    assert window.text("#why-then .because")
    assert not window.reloaded()


def portrait(window: Window, path: Path, *, dark: bool = False) -> None:
    """A picture for the documentation, at the size of a small screen; the window is then as it was."""
    window.resize(1280, 720, dark=dark)
    window.picture(path)
    window.resize(1680, 1000)


def beat_until_heard(window: Window, org: OrgApi) -> bool:
    beat(org, "t17")
    return window.text(".crumbs .state") in ("Recovering", "Healthy")


STARTED = """
workflow: note-what-starts
enabled: true
nodes:
  started: {trigger: ticket.started}
  nobody: {after: [started], action: fail, with: {message: There is nobody to tell.}}
"""


@pytest.mark.rule("AC-81")
def test_who_was_told_follows_while_the_page_is_open(window: Window, org: OrgApi) -> None:
    assert org.post_yaml("/workflows", STARTED).status_code == 201
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.until(lambda: "no workflow has started" in window.text("#told"), "that nobody was told")
    window.mark()
    window.press("s")
    window.until(lambda: "There is nobody to tell." in window.text("#told"), "the run that this started")
    assert not window.reloaded()


@pytest.mark.rule("AC-33")
def test_a_preview_and_what_is_folded_out_stay_while_the_page_goes_on(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.press("c", *"It is **down**.")
    window.one("#update [data-mode='preview']").click()
    window.until(lambda: window.text("#update .preview strong") == "down", "the preview")
    window.one("#update .others summary").click()
    org.post(f"/tickets/{number}/comments", {"comment": "I hear it, too."}).raise_for_status()
    window.until(lambda: window.texts(".entry .bubble") == ["I hear it, too."], "what somebody else says")
    assert window.text("#update .preview strong") == "down"
    window.one("#update button[value='resolve']").click()
    window.until(lambda: window.text(".crumbs .state") == "Resolved", "resolved")
    assert window.all("#update .others[open]") == []
    assert window.texts(".entry .bubble") == ["I hear it, too.", "It is down."]


@pytest.mark.slow
@pytest.mark.rule("AC-85", "AC-82")
def test_two_people_see_what_each_other_does(window: Window, other_window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise", description="Since this morning")
    other_window.until(lambda: other_window.rows() == ["Lift 3 makes a noise"], "the ticket in Bob's list")
    other_window.press("j", "\n")
    other_window.until(lambda: other_window.all("#ticket"), "the ticket's page")
    other_window.mark()
    other_window.press("c", *"Who is on it")

    window.go(f"/orgs/{org.org}/tickets/{number}?edit=description")
    window.one("#description").send_keys(" and louder")
    window.one("#describe .main").click()
    window.until(lambda: window.texts(".difference ins") == ["Since this morning and louder"], "the difference")
    window.press("s")
    other_window.until(lambda: other_window.text(".crumbs .state") == "In progress", "Ann's start on Bob's page")
    assert other_window.texts(".difference ins") == ["Since this morning and louder"]
    assert other_window.one("#comment").get_attribute("value") == "Who is on it"
    assert other_window.focused() == "comment"
    other_window.one(":focus").send_keys("?", "\ue009\ue007")
    window.until(lambda: window.texts(".entry .bubble") == ["Who is on it?"], "Bob's comment on Ann's page")
    assert "Bob" in window.texts(".entry .deed b")
    assert not other_window.reloaded()


@pytest.mark.slow
@pytest.mark.rule("AC-123", "AC-161")
def test_a_checklist_is_read_to_its_end_by_keyboard_while_its_members_recover(window: Window, org: OrgApi) -> None:
    many = 205
    said = [{"type": "device", "id": f"d{n}", "name": f"Lamp {n}", "integration": "hue-1"} for n in range(many)]
    heartbeats = [{**one, "interval_s": 600} for one in said]
    _post(org, heartbeats)
    eventually(lambda: len(org.get("/subjects", limit="200")["items"]) == 200, "the fleet")
    _post(org, [{**one, "status": "offline"} for one in heartbeats])
    window.until(lambda: f"0/{many}" in window.text("#rows .rollup"), "the ticket of all of them")
    window.press("j", ENTER)
    window.until(lambda: len(window.all(".checklist li")) == 100, "the first hundred")

    tab_to(window, "and 105 more")
    window.press(ENTER)
    window.until(lambda: len(window.all("#checklist li")) == 200, "the first page")
    assert window.text("#checklist .hint") == f"0 of {many} devices recovered"
    tab_to(window, "Next page")
    window.press(ENTER)
    window.until(lambda: len(window.all("#checklist li")) == 5, "the second page")
    window.mark()
    tab_to(window, "First page")
    last = window.texts("#checklist li span")[-1]
    back = next(one for one in heartbeats if one["name"] == last)

    def recovered() -> bool:
        _post(org, [back])
        return window.text("#checklist li[data-state='resolved'] span") == last

    window.until(recovered, "who has recovered, ticked")
    window.until(lambda: window.text("#checklist .hint") == f"1 of {many} devices recovered", "how many have")
    assert (focus(window), window.reloaded()) == ("First page", False)
    window.press(ENTER)
    window.until(lambda: len(window.all("#checklist li")) == 200, "the first page again")
    tab_to(window, f"#{window.one('#checklist').get_attribute('data-number')}")
    window.press(ENTER)
    window.until(lambda: window.text("#ticket h1"), "the ticket again")


def _post(org: OrgApi, heartbeats: list[dict[str, object]]) -> None:
    body = "\n".join(json.dumps(one) for one in heartbeats).encode()
    path, token = f"/api/v1/orgs/{org.org}/heartbeats", {"authorization": f"Bearer {org.token}"}
    assert org.http.post(path, content=body, headers=token).status_code == 202


def focus(window: Window) -> str:
    """The first words of what has the focus."""
    found: str = window.script("return document.activeElement.innerText.trim().split('\\n')[0]")
    return found


def tab_to(window: Window, words: str) -> None:
    """Goes on by the Tab key until what has these words has the focus."""
    for _ in range(300):
        window.press("\t")
        if focus(window) == words:
            return
    raise AssertionError(f"no {words!r} is reached by Tab")


@pytest.mark.slow
@pytest.mark.rule("AC-162", "AC-175")
def test_the_focus_stays_where_somebody_works_when_what_had_it_goes(window: Window, org: OrgApi) -> None:
    for title in ("Third", "Second", "First"):
        report(org, title)
    window.until(lambda: window.rows() == ["First", "Second", "Third"], "three tickets")
    window.mark()
    window.press("j", "j", "x")
    tab_to(window, "Resolve")
    window.press(ENTER)
    window.until(lambda: "1 ticket resolved" in window.text("#outcome"), "the outcome")
    window.until(lambda: focus(window) == "Second", "the focus on what was picked")
    window.point_at("#rows tr:nth-child(3) .c-title")  # so that the list does not change by itself on the way there
    window.until(lambda: window.text("#news"), "what waits")
    back_to(window, "The list has changed: show")
    window.press(ENTER)
    window.until(lambda: window.rows() == ["First", "Third"], "the list without it")
    window.until(lambda: focus(window) == "First", "the top of the list")

    back_to(window, "Reopen")
    window.press(ENTER)
    window.until(lambda: "1 ticket reopened" in window.text("#outcome"), "it taken back")
    window.until(lambda: focus(window) == "Back to the list", "the way on from where Reopen was")
    window.press(ENTER)
    window.until(lambda: not window.text("#outcome"), "the outcome gone")
    window.until(lambda: window.focused() not in ("BODY", "HTML"), "the focus on something else")

    tab_to(window, "First")
    window.press("x")
    back_to(window, "unpick")
    window.press(ENTER)
    assert focus(window) == "First"

    for ticket in org.tickets():
        org.post(f"/tickets/{ticket['number']}/resolve").raise_for_status()

    def emptied() -> bool:
        window.press("n")
        return focus(window) == "Show what was resolved"

    window.until(emptied, "the way on from an empty list")
    assert not window.reloaded()

    token = org.get("/tokens")["items"][0]["id"]
    window.go(f"/orgs/{org.org}/tokens")
    tab_to(window, "Revoke")
    window.press(ENTER)
    window.until(lambda: focus(window) == "Revoke it", "the question")
    window.press(ESCAPE)
    window.until(lambda: focus(window).startswith("Revoke"), "the button that asked it")
    assert (window.script("return document.activeElement.href") or "").endswith(f"revoke={token}")


def back_to(window: Window, words: str) -> None:
    """Goes back by Shift and Tab until what has these words, or this id, has the focus."""
    for _ in range(300):
        ActionChains(window.chrome).key_down(SHIFT).send_keys("\t").key_up(SHIFT).perform()
        if words in (focus(window), window.focused()):
            return
    raise AssertionError(f"no {words!r} is reached by Shift and Tab")


@pytest.mark.slow
@pytest.mark.rule("AC-122")
def test_a_long_story_is_read_from_its_end_while_it_goes_on(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    for many in (200, 200, 120):
        org.post("/tickets/bulk", {"action": "comment", "numbers": [number] * many, "comment": "."}).raise_for_status()
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.mark()
    assert versions(window) == list(range(472, 522))
    window.one("#show-earlier").click()
    window.until(lambda: versions(window)[0] == 422, "earlier entries")
    assert window.focused() == "show-earlier"
    window.press("\n")
    window.until(lambda: versions(window) == list(range(372, 522)), "still earlier ones")
    assert window.script(ASKED) == ["timeline", "timeline"]
    assert window.all(".arrived") == []

    org.post(f"/tickets/{number}/comments", {"comment": "One more."}).raise_for_status()
    window.until(lambda: versions(window) == list(range(372, 523)), "what came, behind what was fetched")
    assert [entry.get_attribute("id") for entry in window.all(".arrived")] == ["e522"]
    window.press("c", *"And mine")
    window.chrome.switch_to.active_element.send_keys("\ue009\ue007")
    window.until(lambda: versions(window) == list(range(372, 524)), "an own comment, too")
    window.script("scrollTo(0, 0)")
    window.one("#show-earlier").click()
    window.until(lambda: versions(window) == list(range(322, 524)), "and on from there")
    assert window.script(ASKED) == ["timeline"] * 3

    window.script(UNSEEN)
    org.post("/tickets/bulk", {"action": "comment", "numbers": [number] * 60, "comment": "."}).raise_for_status()
    window.script(SEEN)
    window.until(lambda: versions(window) == list(range(534, 584)), "no gap where more came than a page shows")
    window.script("scrollTo(0, 0)")
    back_to(window, "Show earlier entries")
    for first in range(484, -49, -50):
        window.press(ENTER)
        window.until(partial(lambda first: versions(window)[0] == max(1, first), first), "earlier ones")
    window.until(lambda: window.focused() == "e1", "the first of them with the focus, as the button is gone")
    assert not window.reloaded()


ASKED = """
return performance.getEntriesByType("resource").map((one) => new URL(one.name).pathname.split("/").at(-1))
  .filter((name) => name === "timeline");
"""
"""What was fetched of the timeline since the page is there."""

UNSEEN = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"
SEEN = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"


def versions(window: Window) -> list[int]:
    """The entries that the page has, from top to bottom."""
    found: list[int] = window.script(
        "return [...document.querySelectorAll('.entry')].map((one) => +one.dataset.version)"
    )
    return found
