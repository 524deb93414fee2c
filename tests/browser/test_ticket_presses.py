"""Presses on a ticket's page before the answer to the last one has come, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.test_live_pages import report
from tests.browser.window import Window
from tests.installation import OrgApi

HOLD_ANSWERS = """
    const plain = window.fetch;
    const held = new Promise((letGo) => { window.letGo = letGo; });
    window.fetch = async (...request) => {
      const answer = await plain(...request);
      if (request[1]?.method === "POST") await held;
      return answer;
    };
    document.addEventListener("htmx:after:request", (event) => {
      if (event.detail.ctx.sourceElement?.id === "update") window.answered = true;
    });
"""


def begun_behind_a_held_answer(window: Window, org: OrgApi) -> None:
    """A comment on a ticket's page that shows by its stream that the ticket was started, and has not been answered."""
    window.go(f"/orgs/{org.org}/tickets/{report(org, 'Lift 3 makes a noise')}")
    window.script(HOLD_ANSWERS)
    window.press("s")
    window.until(lambda: window.text(".crumbs .state") == "In progress", "started")
    window.press("c", *"Oiled it.")


@pytest.mark.rule("AC-31")
def test_a_comment_that_is_begun_before_the_last_answer_came_stays(window: Window, org: OrgApi) -> None:
    """The page learns by its stream what was done, and a person goes on, while the answer is still on its way."""
    begun_behind_a_held_answer(window, org)
    assert not window.script("return window.answered")
    window.script("window.letGo()")
    window.until(lambda: window.script("return window.answered"), "the answer")
    assert window.one("#comment").get_attribute("value") == "Oiled it."


@pytest.mark.rule("AC-35")
def test_c_leads_back_to_a_comment_and_does_not_send_it(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.press("c", *"Oiled", "\ue00c", "c", *" it.")
    window.one("#update button[value='comment']").click()
    window.until(lambda: window.texts(".entry .bubble") == ["Oiled it."], "the comment, whole")


@pytest.mark.rule("AC-31")
def test_what_is_sent_before_the_last_answer_came_is_sent_behind_it(window: Window, org: OrgApi) -> None:
    begun_behind_a_held_answer(window, org)
    window.one("#update button[value='comment']").click()
    window.press("c", *" Twice.")
    window.script("window.letGo()")
    window.until(lambda: window.texts(".entry .bubble") == ["Oiled it."], "the comment, as it was when it was sent")
    window.until(lambda: not window.all("#update.htmx-request"), "the answer")
    assert window.one("#comment").get_attribute("value") == "Oiled it. Twice."


@pytest.mark.rule("AC-31")
def test_what_is_pressed_twice_before_its_answer_came_is_sent_once(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.script(HOLD_ANSWERS)
    window.press("c", *"Oiled it.")
    window.one("#update button[value='comment']").click()
    window.until(lambda: window.texts(".entry .bubble") == ["Oiled it."], "the comment, by the stream")
    window.one("#update button[value='comment']").click()
    window.script("window.letGo()")
    window.until(lambda: window.one("#comment").get_attribute("value") == "", "the answer")
    org.post(f"/tickets/{number}/comments", {"comment": "It is quiet."}).raise_for_status()
    window.until(lambda: window.texts(".entry .bubble")[-1] == "It is quiet.", "what somebody says then")
    assert window.texts(".entry .bubble") == ["Oiled it.", "It is quiet."]


@pytest.mark.rule("AC-31")
def test_what_is_sent_before_the_page_has_changed_at_all_is_another_command(window: Window, org: OrgApi) -> None:
    """Nothing has come since: neither the answer nor the stream's news, which bring the id of the next command."""
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.script(HOLD_ANSWERS.replace('if (request[1]?.method === "POST") ', ""))
    window.press("s", "c", *"Oiled it.")
    window.one("#update button[value='comment']").click()
    window.press("c", *" Twice.")
    window.one("#update button[value='comment']").click()
    window.script("window.letGo()")
    window.until(lambda: window.texts(".entry .bubble") == ["Oiled it.", "Oiled it. Twice."], "both comments")
    assert window.all("#update .refused") == []
    assert [entry["type"] for entry in org.timeline(number)] == ["opened", "started", *["comment-added"] * 2]
