"""What a page keeps while a part of Fettle is away, the session is over, or several things are under way at once."""

from __future__ import annotations

import pytest

from tests.browser.test_live_pages import beat, report
from tests.browser.test_ticket_presses import HOLD_ANSWERS
from tests.browser.test_workflow_work import write
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually

ENTER, ESCAPE = "\n", "\ue00c"

CHANGES = "document.dispatchEvent(new CustomEvent('htmx:before:swap', {detail: {ctx: {}, tasks: []}}))"
ESCAPES = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))"
RESTS = "return new Promise((rested) => setTimeout(() => rested(document.activeElement.tagName), 50))"
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
    window.complaints()  # of the service that was away


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
    window.complaints()  # of a session that is over


@pytest.mark.rule("AC-166")
def test_what_was_asked_under_other_filters_does_not_come_into_the_list(window: Window, org: OrgApi) -> None:
    report(org, "Lift")
    window.until(lambda: window.rows() == ["Lift"], "the ticket")
    window.press("j")
    report(org, "Door")
    window.until(lambda: window.text("#news") == "1 new", "what waits")
    window.press("/", *"lift")
    window.until(lambda: "q=lift" in window.chrome.current_url, "the search")
    assert not window.one("#news").is_displayed()

    window.script(HOLD)
    report(org, "Lift 2")
    window.until(lambda: window.script("return window.asked"), "what the page asks by itself")
    window.press(*" 2")
    window.until(lambda: window.rows() == ["Lift 2"], "what was found")
    window.script("window.letGo()")
    window.until(lambda: window.script("return window.asked") == 2, "that it asks anew")
    assert window.rows() == ["Lift 2"]


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
    window.complaints()  # of a session that is over


@pytest.mark.rule("AC-169")
def test_a_silence_is_said_to_end_as_from_now_on_a_page_that_has_stood_there(window: Window, org: OrgApi) -> None:
    beat(org, "a")
    eventually(lambda: org.get("/subjects")["items"], "it is known")
    window.go(f"/orgs/{org.org}/health/device/a")
    until = window.script("return document.querySelector('#silence [data-until]').textContent")
    window.script("const now = Date.now; Date.now = () => now() + 3_600_000")
    window.one(".crumbs .silence").click()
    window.until(lambda: window.text("#silence [data-until]") not in ("", until), "an hour later")


@pytest.mark.rule("AC-168")
def test_what_was_typed_on_a_ticket_stays_while_one_does_something_else_there(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.press("c", *"Oiled it.")
    window.one(".description .edit").click()
    window.until(lambda: window.all("#describe"), "the form of the description")
    window.one("#description").send_keys("It squeaks.")
    assert window.one("#comment").get_attribute("value") == "Oiled it."
    window.one("#update button[value='comment']").click()
    window.until(lambda: window.texts(".entry .bubble") == ["Oiled it."], "the comment")
    assert window.one("#description").get_attribute("value") == "It squeaks."
    window.one("#comment").send_keys("And now?")
    window.one("#describe .main").click()
    window.until(lambda: not window.all("#describe"), "the description saved")
    assert org.get(f"/tickets/{number}")["description"] == "It squeaks."
    assert window.one("#comment").get_attribute("value") == "And now?"


@pytest.mark.rule("AC-127")
def test_what_is_selected_while_many_are_being_worked_stays_for_the_next_time(window: Window, org: OrgApi) -> None:
    for title in ("Tap", "Door", "Lift"):
        report(org, title)
    window.until(lambda: window.rows() == ["Lift", "Door", "Tap"], "three tickets")
    window.script(HOLD_ANSWERS.replace("update", "bulk"))
    window.press("j", "x", "c", *"On it", ENTER)
    window.until(lambda: len(org.timeline(3)) == 2, "the comment")
    window.press(*" now", ESCAPE, "k", "x")
    window.until(lambda: window.text("#picked") == "2 selected", "another one")
    assert window.all("#bulk.htmx-request")
    window.script("window.letGo()")
    window.until(lambda: window.text("#picked") == "1 selected", "what is left")
    assert window.one("#bulk-comment").get_attribute("value") == "On it now"
    assert window.script("return [...document.querySelectorAll('#rows :checked')].map((one) => one.value)") == ["1"]


@pytest.mark.rule("AC-170")
def test_a_key_at_another_row_before_the_answer_came_goes_to_that_row(window: Window, org: OrgApi) -> None:
    for title in ("Tap", "Door", "Lift"):
        report(org, title)
    window.until(lambda: window.rows() == ["Lift", "Door", "Tap"], "three tickets")
    window.script(HOLD_ANSWERS.replace("update", "bulk"))
    window.press("j", "s", "s", "j", "s", "s", "j", "s")
    assert window.all("#bulk.htmx-request")
    window.script("window.letGo()")
    window.until(lambda: [one["state"] for one in org.tickets()] == ["in_progress"] * 3, "all started")
    assert [entry["type"] for number in (1, 2, 3) for entry in org.timeline(number)] == ["opened", "started"] * 3
    window.until(lambda: window.text("#picked") == "", "the bar gone")


@pytest.mark.rule("AC-170")
def test_what_is_asked_of_many_before_the_last_answer_came_is_done_behind_it(window: Window, org: OrgApi) -> None:
    for title in ("Tap", "Door"):
        report(org, title)
    window.until(lambda: window.rows() == ["Door", "Tap"], "two tickets")
    window.script(HOLD_ANSWERS.replace("update", "bulk"))
    window.one("#pick-all").click()
    window.one("#bulk [value=start]").click()
    window.one("#bulk [value=start]").click()
    for _ in range(2):
        window.one("#bulk [value=resolve]").click()
    window.one("#bulk-comment").send_keys("Oiled it.")
    window.one("#bulk [value=comment]").click()
    window.script("window.letGo()")
    done = ["opened", "started", "resolved", "comment-added"]
    window.until(lambda: [entry["type"] for entry in org.timeline(1)] == done, "all three, in their order")
    window.until(lambda: "2 tickets commented on" in window.text("#outcome"), "what the last one came to")


@pytest.mark.rule("AC-171")
def test_a_report_that_was_begun_is_there_again_until_it_is_sent(window: Window, org: OrgApi) -> None:
    new = f"/orgs/{org.org}/tickets/new"
    window.go(new)
    window.press(*"Lift 3")
    window.one("[name=subject_type]").send_keys("Space")
    window.one("#description").send_keys("It squeaks.")
    window.go(f"/orgs/{org.org}/health")
    window.go(new)
    window.until(lambda: "has not been sent" in window.text("#restored"), "that it is there again")
    shown = [window.one(field).get_attribute("value") for field in ("#title", "[name=subject_type]", "#description")]
    assert shown == ["Lift 3", "space", "It squeaks."]

    window.one("#title").clear()
    window.one("#title").send_keys("   ")
    window.one(".report .main").click()
    window.until(lambda: window.all(".report .refused"), "that it was refused")
    window.go(new)
    assert window.one("#description").get_attribute("value") == "It squeaks."
    window.one("#title").clear()
    window.one("#title").send_keys("Lift 3")
    window.one(".report .main").click()
    window.until(lambda: window.all("#ticket"), "the ticket")
    window.go(new)
    assert window.one("#title").get_attribute("value") == ""
    assert not window.one("#restored").is_displayed()

    window.press(*"Tap")
    window.one("[data-discards].button").click()
    window.until(lambda: window.all("#tabs"), "the list")
    window.go(new)
    assert window.one("#title").get_attribute("value") == ""
    window.complaints()  # of the refusal


@pytest.mark.rule("AC-186")
def test_what_was_begun_is_of_one_person_and_goes_when_they_sign_out(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift")
    pages = {f"/orgs/{org.org}/tickets/{number}": "comment", f"/orgs/{org.org}/tickets/new": "title"}

    def begin(words: str) -> None:
        for page, field in pages.items():
            window.go(page)
            window.one(f"#{field}").send_keys(words)

    def there() -> list[str | None]:
        found = []
        for page, field in pages.items():
            window.go(page)
            found.append(window.one(f"#{field}").get_attribute("value"))
        return found

    first, namesake = (org.new_token("operator", "Bob") for _ in range(2))
    for token in (first, namesake):
        window.chrome.delete_all_cookies()
        window.sign_in(token)
        assert there() == ["", ""], "what another one of the same name began"
        begin("Oiled")
        assert there() == ["Oiled", "Oiled"]
    window.chrome.delete_all_cookies()  # their time is over, and they come back
    window.sign_in(first)
    assert there() == ["Oiled", "Oiled"]
    window.one(".person summary").click()
    window.one("form[action='/sign-out'] button").click()
    window.until(lambda: window.all("#token"), "the way in")
    window.sign_in(first)
    assert there() == ["", ""]


@pytest.mark.rule("AC-171")
def test_a_document_that_was_begun_is_there_again_and_overwrites_nothing_unseen(window: Window, org: OrgApi) -> None:
    document = "workflow: hint\ntitle: {}\nenabled: false\nnodes:\n  opened: {{trigger: ticket.opened}}\n"
    document += (
        "  noted: {{after: [opened], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: A}}}}\n"
    )
    assert org.post_yaml("/workflows", document.format("First")).status_code == 201
    page = f"/orgs/{org.org}/workflows/hint/edit"
    window.go(page)
    write(window, document.format("Mine"))
    window.go(f"/orgs/{org.org}/workflows")
    assert org.put_yaml("/workflows/hint", document.format("Theirs")).status_code == 200
    window.go(page)
    window.until(lambda: "has not been sent" in window.text("#restored"), "that it is there again")
    window.until(lambda: "Mine" in str(window.script("return window.ace && ace.edit('code').getValue()")), "the text")
    window.one("button[value=save]").click()
    window.until(lambda: "saved it meanwhile" in window.text("main [role=alert]"), "that somebody else saved it")
    window.one("button[value=save]").click()
    window.until(lambda: not window.all("#code") and window.all("#main .crumbs"), "it saved")
    window.go(page)
    assert not window.one("#restored").is_displayed()
    assert "Mine" in org.get("/workflows/hint")["document"]
    window.complaints()  # of the refusal


@pytest.mark.rule("AC-162")
def test_who_leaves_a_field_while_the_list_changes_is_not_put_back_into_it(window: Window, org: OrgApi) -> None:
    report(org, "Lift")
    window.until(lambda: window.rows() == ["Lift"], "the ticket")
    window.press("/")
    window.script(f"{CHANGES}; {ESCAPES}")
    assert window.script(RESTS) == "BODY"
    window.press("j", "x")
    window.until(lambda: window.text("#picked") == "1 selected", "it selected")
    assert window.one("#q").get_attribute("value") == ""
