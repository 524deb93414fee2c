"""The console in a real browser on a whole installation: live, calm, by pointer and by keyboard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.window import Window
from tests.installation import Installation, OrgApi
from tests.outside import Beating

NOTE = """
workflow: note-what-opens
title: Note what opens
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: "Check the **power**."}}
"""


def beat(org: OrgApi, *ids: str) -> None:
    lines = [
        {"type": "device", "id": id, "name": f"Thermostat {id}", "interval_s": 1, "space": "oslo/hq"} for id in ids
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    path, token = f"/api/v1/orgs/{org.org}/heartbeats", {"authorization": f"Bearer {org.token}"}
    answer = org.http.post(path, content=body, headers=token)
    assert answer.status_code == 202, answer.text


def report(org: OrgApi, title: str, **more: Any) -> int:
    body = {"title": title, "subject": {"type": "other", "id": title[:50]}, **more}
    answer = org.post("/tickets", body)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["number"]
    return number


@pytest.mark.slow
@pytest.mark.rule("AC-32", "AC-33")
def test_a_silent_device_shows_up_is_worked_on_and_resolves_by_itself_without_a_reload(
    window: Window, org: OrgApi, installed: Installation
) -> None:
    assert org.post_yaml("/workflows", NOTE).status_code in (200, 201)
    assert "Three steps to the first ticket" in window.text("#list")
    window.mark()
    beat(org, "t17")
    window.until(lambda: window.rows() == ["Device offline: Thermostat t17"], "the ticket in the list")
    window.until(lambda: "Check the power" in window.text("#rows .c-latest"), "the workflow's comment in the list")
    window.until(lambda: window.text("#open-count") == "1", "the count of open tickets")
    window.until(lambda: window.chrome.title.startswith("(1) "), "the count in the tab")
    assert not window.reloaded()

    window.press("j", "\n")
    window.until(lambda: window.text("#ticket h1") == "Device offline: Thermostat t17", "the ticket's page")
    assert "went silent" in window.text(".sentence")
    assert window.texts(".entry .deed b") == ["Health monitor", "Note what opens"]
    window.mark()
    window.press("c", *"On my way")
    bootstrap = installed.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    with Beating(bootstrap, installed.topic("device.heartbeats"), org.org) as beating:
        beating.alive("device/t17", name="Thermostat t17", interval_s=1, space="oslo/hq")
        window.until(lambda: window.text(".crumbs .state") == "Resolved", "the ticket resolved on its page")
        assert not window.reloaded()
        assert window.one("#comment").get_attribute("value") == "On my way"
        assert window.focused() == "comment"
        assert window.actions() == ["Comment", "Reopen and comment"]


@pytest.mark.slow
@pytest.mark.rule("AC-37")
def test_the_health_page_follows_a_subject_by_itself(window: Window, org: OrgApi) -> None:
    window.go(f"/orgs/{org.org}/health")
    assert "No subjects yet" in window.text("#subjects")
    window.mark()

    def healthy() -> bool:
        beat(org, "t17")
        return window.texts(".subjects .state") == ["Healthy"]

    window.until(healthy, "the subject")
    assert "Thermostat t17" in window.text(".subjects tbody th")
    window.until(lambda: window.texts(".subjects .state") == ["Firing"], "its silence")
    window.until(lambda: window.texts(".subjects td a") == ["#1"], "its ticket")
    assert not window.reloaded()
    window.script(WITHOUT_TICKET)
    window.until(lambda: window.script("return window.linked") == [False, True], "the ticket, which is heard of later")


WITHOUT_TICKET = """
window.linked = [];
new MutationObserver(() => {
  const now = document.querySelector(".subjects td a") !== null;
  if (now !== (window.linked.at(-1) ?? true)) window.linked.push(now);
}).observe(document.body, {childList: true, subtree: true});
const real = window.fetch;
window.fetch = async (where, how) => {
  if (where !== location.href) return real(where, how);
  window.fetch = real;
  const text = await (await real(where, how)).text();
  return new Response(text.replace(/<a [^>]*>#1<\\/a>/, ""));
};
document.dispatchEvent(new CustomEvent("fettle:ticket", {detail: {number: 1}}));
"""
"""The ticket is heard of, and the next answer is one from before the health monitor hears of it: whether the page links
to it is kept, as it may do so again before anybody has looked."""


COUNTING = """
window.asked = window.answered = 0;
const real = window.fetch;
window.fetch = async (where, how) => {
  if (where !== location.href) return real(where, how);
  window.asked += 1;
  try {
    return await real(where, how);
  } finally {
    window.answered += 1;
  }
};
"""
HIDDEN = """
Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
document.dispatchEvent(new Event("visibilitychange"));
"""
SEEN = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'));"
LOOKED = """
document.dispatchEvent(new CustomEvent("fettle:refresh"));
setTimeout(() => arguments[0](window.asked), 1500);
"""
"""What was asked for by the time that the list may ask again."""


@pytest.mark.slow
@pytest.mark.rule("AC-106")
def test_a_page_that_nobody_sees_asks_for_nothing_and_is_fresh_when_it_is_seen(window: Window, org: OrgApi) -> None:
    window.script(COUNTING)
    report(org, "First")
    window.until(lambda: window.rows() == ["First"], "the ticket")
    window.script(HIDDEN)
    window.until(lambda: window.script("return window.asked === window.answered"), "the last answer")
    before = window.script("return window.asked")
    report(org, "Second")
    assert (window.chrome.execute_async_script(LOOKED), window.rows()) == (before, ["First"])
    window.script(SEEN)
    window.until(lambda: window.rows() == ["Second", "First"], "both tickets")


TWO = "for (const number of [1, 2]) document.dispatchEvent(new CustomEvent('fettle:ticket', {detail: {number}}));"
COUNTED = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/open-count')).length"


@pytest.mark.slow
@pytest.mark.rule("AC-32")
def test_what_comes_while_open_tickets_are_counted_is_counted_too(window: Window, org: OrgApi) -> None:
    window.until(lambda: window.text("#live .said") == "live", "the live mark")
    before = window.script(COUNTED)
    window.script(TWO)
    window.until(lambda: window.script(COUNTED) >= before + 2, "a second count")


@pytest.mark.slow
@pytest.mark.rule("AC-32")
def test_nothing_moves_under_the_pointer_or_the_cursor(window: Window, org: OrgApi) -> None:
    for title in ("First", "Second", "Third"):
        report(org, title)
    window.until(lambda: window.rows() == ["Third", "Second", "First"], "three tickets")

    window.point_at("#rows tr:nth-child(2)")
    report(org, "Fourth")
    window.until(lambda: window.text("#news") == "1 new", "the button that says how much")
    org.post("/tickets/2/comments", {"comment": "still humming"}).raise_for_status()
    window.until(lambda: "still humming" in window.text("#rows tr:nth-child(2) .c-latest"), "the comment in its row")
    org.post("/tickets/1/resolve").raise_for_status()
    window.until(lambda: window.text("#rows tr:nth-child(3) .state") == "Resolved", "the resolved state in its row")
    assert window.rows() == ["Third", "Second", "First"]

    window.one("#news").click()
    window.until(lambda: window.rows() == ["Fourth", "Third", "Second"], "what was waiting")
    assert window.text("#news") == ""

    window.point_at(".brand")
    window.press("j", "j")
    focused = window.focused()
    report(org, "Fifth")
    window.until(lambda: window.text("#news") == "1 new", "the button again")
    assert (window.focused(), window.rows()[0]) == (focused, "Fourth")
    window.press("n")
    window.until(lambda: window.rows()[0] == "Fifth", "what was waiting")
    assert window.focused() == focused


@pytest.mark.slow
@pytest.mark.rule("AC-31", "AC-35")
def test_a_ticket_is_worked_by_keyboard_and_buttons_say_what_they_do(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise", description="Since *this morning*.")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.mark()
    assert window.actions() == ["Comment", "Start work", "Resolve"]
    window.press("s")
    window.until(lambda: window.text(".crumbs .state") == "In progress", "started")
    window.press("c", *"Oiled it.")
    assert window.actions() == ["Comment", "Resolve and comment", "Move back and comment"]
    window.one("#update button[value='resolve']").click()
    window.until(lambda: window.text(".crumbs .state") == "Resolved", "resolved")
    window.until(lambda: window.one("#comment").get_attribute("value") == "", "an empty comment box")
    assert [entry["type"] for entry in org.timeline(number)] == ["opened", "started", "resolved", "comment-added"]
    assert window.texts(".entry .bubble") == ["Oiled it."]
    assert not window.reloaded()

    window.press("\ue00c")
    window.travel("t")
    window.press("/", *"lift")
    window.until(lambda: window.chrome.current_url.endswith("/tickets?q=lift"), "the search in the address")
    window.until(lambda: "No ticket fits" in window.text("#list"), "an empty search among open tickets")
    window.one("#list .empty .button").click()
    window.until(lambda: window.rows() == ["Lift 3 makes a noise"], "the search among all tickets")
    window.press("?")
    assert "next, previous in a list" in window.text("#keys")


@pytest.mark.slow
@pytest.mark.rule("AC-31")
def test_what_was_typed_survives_a_service_that_is_away(window: Window, org: OrgApi, installed: Installation) -> None:
    number = report(org, "Lift")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.press("c", *"I have a ladder")
    installed.kill("tickets")
    window.one("#update button[value='comment']").click()
    window.until(lambda: "does not answer" in window.text("#unanswered p"), "the reason")
    assert window.one("#comment").get_attribute("value") == "I have a ladder"
    assert window.text("#ticket h1") == "Lift"
    installed.start("tickets")
    installed.wait_ready("tickets")
    window.one("#update button[value='comment']").click()
    window.until(lambda: window.texts(".entry .bubble") == ["I have a ladder"], "the comment")
    window.until(lambda: window.text("#unanswered p") == "", "nothing unanswered any more")
    window.complaints()  # of the service that was away


@pytest.mark.slow
@pytest.mark.rule("AC-34")
def test_a_page_says_when_it_is_not_live_and_catches_up(window: Window, org: OrgApi, installed: Installation) -> None:
    window.until(lambda: window.text("#live .said") == "live", "the live mark")
    as_of = window.text("#live .as-of")
    window.until(lambda: window.text("#live .as-of") not in ("", as_of), "the time that goes on")
    window.mark()
    installed.kill("console")
    window.until(lambda: window.text("#live .said").startswith("not live since "), "the mark that it is not live")
    installed.start("console")
    installed.wait_ready("console")
    report(org, "While nobody looked")
    window.until(lambda: window.rows() == ["While nobody looked"], "what happened meanwhile")
    window.until(lambda: window.text("#live .said") == "live", "the live mark again")
    assert not window.reloaded()
    window.complaints()  # of the console that was away


@pytest.mark.slow
@pytest.mark.rule("AC-34")
def test_without_its_stream_a_page_polls_says_so_and_is_live_again(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.chrome.execute_cdp_cmd("Network.enable", {})
    window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/live?*"]})
    try:
        window.go(f"/orgs/{org.org}/tickets")
        window.until(lambda: window.text("#live .said").startswith("not live since "), "that it is not live")
        window.mark()
        org.post(f"/tickets/{number}/start").raise_for_status()
        report(org, "Door 14 does not lock")
        window.until(lambda: window.rows() == ["Door 14 does not lock"], "what somebody else did")
        report(org, "Gate 2 sticks")  # the first look comes at once
        window.until(lambda: window.rows() == ["Gate 2 sticks", "Door 14 does not lock"], "what they did later")
        assert window.text("#live .said").startswith("not live since ")

        window.go(f"/orgs/{org.org}/tickets/{number}")
        window.until(lambda: window.text("#live .said").startswith("not live since "), "that it is not live")
        window.mark()
        org.post(f"/tickets/{number}/resolve", {"comment": "Oiled it."}).raise_for_status()
        window.until(lambda: window.text(".crumbs .state") == "Resolved", "what somebody else did")
        assert window.texts(".entry .bubble") == ["Oiled it."]
    finally:
        window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    window.until(lambda: window.text("#live .said") == "live", "the live mark again")
    assert not window.reloaded()
    window.complaints()  # of the stream that was kept from it


LATE = ["vendor/hx-sse-", "live.js"]
BRING = """
for (const one of [...document.scripts].filter((script) => arguments[0].some((name) => script.src.includes(name)))) {
  const again = document.createElement("script");
  again.async = false;
  again.src = one.src;
  document.head.append(again);
}
"""


@pytest.mark.rule("AC-34")
def test_a_page_is_live_however_late_its_scripts_come(window: Window, org: OrgApi) -> None:
    window.chrome.execute_cdp_cmd("Network.enable", {})
    window.chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [f"*{name}*" for name in LATE]})
    try:
        window.go(f"/orgs/{org.org}/tickets")
    finally:
        window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
        window.chrome.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    as_of = window.text("#live .as-of")
    window.until(lambda: window.script("return document.querySelector('[data-htmx-powered]') !== null"), "htmx begun")
    report(org, "Early")
    window.chrome.execute_script(BRING, LATE)
    window.until(lambda: window.text("#live .as-of") not in ("", as_of), "the time that goes on")
    window.until(lambda: window.rows() == ["Early"], "the ticket from before the page was live")
    report(org, "First")
    window.until(lambda: window.rows() == ["First", "Early"], "the ticket")
    window.complaints()  # of the files that were kept from it


@pytest.mark.rule("AC-23", "AC-24")
def test_hostile_text_is_text(window: Window, org: OrgApi) -> None:
    evil = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1"> [x](javascript:window.hacked=1) '
    number = report(org, evil[:150], description=evil, space="<b>x</b>")
    org.post(f"/tickets/{number}/comments", {"comment": evil})
    window.until(lambda: "<script>" in "".join(window.rows()), "the ticket in the list")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    assert "<script>" in window.text(".description")
    assert window.script("return window.hacked") is None
    assert window.script("return document.querySelectorAll('#ticket script, #ticket img').length") == 0


@pytest.mark.rule("TS-102")
def test_what_matches_a_link_pattern_is_a_link_on_the_tickets_page(window: Window, org: OrgApi) -> None:
    patterns = [
        {"pattern": "(?P<python>only)", "url": "https://never.test/"},
        {"pattern": "WO-[0-9/.]+", "url": "https://orders.test/find?id=$0"},
        {"pattern": "x*", "url": "https://never.test/"},
    ]
    assert org.put("/ticket-policy", {"link_patterns": patterns}).status_code == 200
    number = report(org, "Noise", description="Only WO-7/../8 and *WO-9*, not `WO-10` nor [WO-11](https://else.test/).")
    window.go(f"/orgs/{org.org}/tickets/{number}")

    def links() -> list[tuple[str, str | None]]:
        return [(each.text, each.get_attribute("href")) for each in window.all(".markdown a")]

    first = [
        ("WO-7/../8", "https://orders.test/find?id=WO-7%2F..%2F8"),
        ("WO-9", "https://orders.test/find?id=WO-9"),
        ("WO-11", "https://else.test/"),
    ]
    window.until(lambda: links() == first, "what matches is a link")
    assert window.text(".description .markdown") == "Only WO-7/../8 and WO-9, not WO-10 nor WO-11."
    org.post(f"/tickets/{number}/comments", {"comment": "Ordered as WO-12."})
    later = [*first, ("WO-12.", "https://orders.test/find?id=WO-12.")]
    window.until(lambda: links() == later, "so is what comes later")
