"""What a page keeps while a part of Fettle is away, the session is over."""

from __future__ import annotations

import pytest

from tests.browser.test_live_pages import beat, report
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually

ESCAPE = "\ue00c"

HOLD = """
    const plain = window.fetch;
    const held = new Promise((letGo) => { window.letGo = letGo; });
    window.fetch = async (...request) => {
      const answer = await plain(...request);
      const path = String(request[0]);
      if ((request[1]?.redirect === "manual" && !path.includes("/judging")) || path.includes("/heard")) {
        window.asked = (window.asked ?? 0) + 1;
        await held;
      }
      return answer;
    };
"""


@pytest.mark.slow
@pytest.mark.rule("AC-125")
def test_a_list_stays_while_its_service_is_away_and_works_when_it_is_back(
    window: Window, org: OrgApi, installed: Installation
) -> None:
    report(org, "Lift")
    window.until(lambda: window.rows() == ["Lift"], "the ticket")
    installed.kill("tickets")
    window.press("/", *"door")
    window.until(lambda: "does not answer" in window.text("#unanswered p"), "what was not answered")
    assert window.rows() == ["Lift"]
    window.press(ESCAPE, "j", "s")
    window.one("#unanswered button").click()
    window.press("s")
    window.until(lambda: "does not answer" in window.text("#unanswered p"), "that it was not started")
    assert window.text("#picked") == "1 selected"
    installed.start("tickets")
    installed.wait_ready("tickets")
    window.press("s")
    window.until(lambda: "1 ticket started" in window.text("#outcome"), "the outcome")
    assert window.text("#unanswered p") == ""


@pytest.mark.rule("AC-125")
def test_nothing_goes_from_a_page_whose_session_is_over(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.press("c", *"I have a ladder")
    window.chrome.delete_all_cookies()
    org.post(f"/tickets/{number}/start")
    window.script("document.dispatchEvent(new CustomEvent('fettle:refresh'))")
    window.one("#update button[value='comment']").click()
    window.until(lambda: "session has ended" in window.text("#unanswered p"), "the reason")
    assert window.one("#comment").get_attribute("value") == "I have a ladder"
    assert (window.text("#open-count"), window.text("#ticket h1")) == ("1", "Lift")
    assert not window.all("#problem")


@pytest.mark.rule("AC-167", "AC-125")
def test_what_takes_a_moment_says_so_and_that_it_did_not_come(
    window: Window, org: OrgApi, installed: Installation
) -> None:
    beat(org, "a")
    eventually(lambda: org.get("/subjects")["items"], "it is known")
    window.go(f"/orgs/{org.org}/health/device/a")
    window.script(HOLD)
    window.one("[data-heard]").click()
    assert "…" in window.text("#heard")
    window.chrome.delete_all_cookies()
    window.one("#ask-why button").click()
    window.until(lambda: "session has ended" in window.text("#why"), "what did not come")
