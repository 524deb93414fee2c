"""Workflows by a person's path on a whole installation: written, tried, seen to run, changed, restored."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.test_live_pages import report
from tests.browser.window import Window
from tests.installation import OrgApi

FAULTY = """\
workflow: first-hint
title: First hint
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted:
    after: [opend]
    action: ticket.comment
    with: {ticket: {ref: event.ticket.id}, text: Look at the power first.}
  pause: {after: [noted], action: wait, with: {for: 1h}}
"""


def write(window: Window, text: str) -> None:
    """Puts a document into the editor, as if it were pasted over what is there."""
    window.until(lambda: window.all("#code .ace_content"), "the editor")
    window.chrome.execute_script("ace.edit('code').setValue(arguments[0], -1); ace.edit('code').focus()", text)


def cursor(window: Window) -> str:
    """Where in the document it stands: line and column, from 1."""
    at = window.script("return ace.edit('code').getCursorPosition()")
    return f"{at['row'] + 1}:{at['column'] + 1}"


def previewed(window: Window) -> bool:
    """Whether the preview has met the ticket's event; it is asked again, as that may still be on its way."""
    if "it would have started once" in window.text("#preview"):
        return True
    window.chrome.refresh()
    return False


@pytest.mark.slow
@pytest.mark.rule("AC-87", "AC-88", "AC-89", "AC-90", "AC-91", "AC-92")
def test_a_workflow_is_written_tried_watched_and_taken_back(window: Window, org: OrgApi) -> None:
    report(org, "Lift 3 makes a noise")
    window.travel("w")
    window.until(lambda: "None of them is enabled" in window.text("#workflows"), "the ready-made ones, disabled")
    window.one(".bar .button").click()

    write(window, FAULTY)
    window.until(lambda: "Did you mean opened?" in window.text(".faults"), "the fault, while it is written")
    window.one(".faults a").click()
    assert cursor(window) == "7:13"
    window.one("button[value=save]").click()
    window.until(lambda: "cannot be saved" in window.text("main [role=alert]"), "that it was refused")
    [refused] = window.complaints()  # Chromium notes each page that is a refusal
    assert "422" in refused
    write(window, FAULTY.replace("opend", "opened"))
    ActionChains(window.chrome).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    window.until(lambda: window.text("#workflow h1") == "First hint", "the workflow's page")
    assert window.text(".crumbs .state") == "Enabled"

    window.one("a[href$='/try?days=7']").click()
    window.until(lambda: previewed(window), "what it would have done")
    window.one(".past summary").click()
    assert "would comment on" in window.text(".past")
    window.one(".asking button").click()
    window.until(lambda: "would wait" in window.text("#tried"), "a test run on an example")

    number = report(org, "Door 14 does not lock")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    window.until(lambda: "first-hint" in window.text("#told"), "who was told")
    window.one("#told a").click()
    window.until(lambda: "waits for time to pass" in window.text("#node-pause"), "the run at its wait")
    assert "Done" in window.text("#node-noted")
    window.one("#node-noted summary").click()
    assert "Look at the power first." in window.text("#node-noted")
    window.one("form[action$='/cancel'] button").click()
    window.until(lambda: window.text(".crumbs .state") == "Cancelled", "the run cancelled")
    window.one("form[action$='/rerun'] button").click()
    window.until(lambda: "an earlier run" in window.text(".of-run"), "another run by its event")
    window.until(lambda: window.all("#output-noted"), "its comment made")
    window.one("#input-noted summary").click()
    window.mark()
    again = next(run for run in org.get("/workflows/first-hint/runs")["items"] if run["rerun_of"])
    org.post(f"/runs/{again['id']}/cancel")
    window.until(lambda: window.text(".crumbs .state") == "Cancelled", "what somebody else did, on its page")
    assert "Look at the power first." in window.text("#input-noted")
    assert window.one(".graph a[href$='#node-pause'] .words").text == "Failed"
    assert not window.reloaded()

    window.one(".of-run a").click()
    window.until(lambda: window.all("#workflow"), "the workflow's page")
    window.one("a[href$='/edit']").click()
    write(window, FAULTY.replace("opend", "opened").replace("1h", "2h"))
    window.one("button[value=save]").click()
    window.until(lambda: "Version 2" in window.text(".versions"), "the second version")
    window.one(".versions a").click()
    window.until(lambda: "for: 2h" in window.text(".difference ins"), "what it changed")
    window.go(f"/orgs/{org.org}/workflows/first-hint/versions/1")
    window.one("form[action$='/restore'] button").click()
    window.until(lambda: "Version 3" in window.text(".versions"), "the first version brought back")
    assert "for: 1h" in org.get("/workflows/first-hint")["document"]
    window.one(".deeds form button").click()
    window.until(lambda: window.text(".crumbs .state") == "Draft", "the workflow disabled")
    assert org.get("/workflows/first-hint")["enabled"] is False


@pytest.mark.slow
@pytest.mark.rule("AC-173", "AC-88")
def test_two_people_write_one_document_and_neither_loses_what_the_other_did(
    window: Window, other_window: Window, org: OrgApi
) -> None:
    other_window.leave()
    other_window.sign_in(org.new_token("admin", "Bob"))
    at, sound = f"/orgs/{org.org}/workflows/first-hint/edit", FAULTY.replace("opend", "opened")
    org.put_yaml("/workflows/first-hint", sound)
    window.go(at)
    other_window.go(at)
    write(window, sound.replace("1h", "2h"))
    write(other_window, sound.replace("power", "fuse"))
    other_window.one("button[value=save]").click()
    other_window.until(lambda: other_window.text("#workflow h1") == "First hint", "Bob's text saved")
    window.one("button[value=save]").click()
    window.until(lambda: "Bob has saved it meanwhile" in window.text("main [role=alert]"), "who was quicker")
    [refused] = window.complaints()
    assert "412" in refused
    assert "fuse" in window.text(".difference del")
    assert "for: 2h" in window.script("return ace.edit('code').getValue()")
    assert "fuse" in org.get("/workflows/first-hint")["document"]
    both = sound.replace("power", "fuse").replace("1h", "2h")
    write(window, both)
    window.one("button[value=save]").click()
    window.until(lambda: window.text("#workflow h1") == "First hint", "both in one")
    assert org.get("/workflows/first-hint")["document"].strip() == both.strip()
