"""Paths that people take less often, by pointer in a real browser on a whole installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.test_live_pages import NOTE, report
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

FAILS = """
workflow: tells-nobody
title: Tells nobody
enabled: true
nodes:
  pressed: {trigger: manual}
  tell: {after: [pressed], action: notify, with: {channel: ops, text: A ticket needs a look.}}
"""


@pytest.mark.slow
@pytest.mark.rule("AC-87", "AC-150", "AC-190")
def test_workflows_are_switched_restored_and_removed_by_two_people(
    window: Window, other_window: Window, org: OrgApi
) -> None:
    other_window.leave()
    other_window.sign_in(org.new_token("admin", "Bob"))
    assert org.post_yaml("/workflows", NOTE).status_code == 201
    assert org.put_yaml("/workflows/note-what-opens", NOTE.replace("power", "fuse")).status_code == 200
    window.go(f"/orgs/{org.org}/workflows")
    window.one("form[action$='/note-what-opens/switch'] button").click()
    window.until(lambda: not org.get("/workflows/note-what-opens")["enabled"], "it disabled")
    window.one("form[action$='/note-what-opens/switch'] button").click()
    window.until(lambda: org.get("/workflows/note-what-opens")["enabled"], "it enabled")
    window.one(".foot form button").click()
    window.until(lambda: "are switched off by" in window.text("#workflows .banner"), "that all are off")
    assert org.get("/workflow-policy")["enabled"] is False
    window.one("#workflows .banner button").click()
    window.until(lambda: org.get("/workflow-policy")["enabled"], "all on again")

    here = f"/orgs/{org.org}/workflows/note-what-opens"
    window.go(f"{here}/versions/1")
    other_window.go(f"{here}/edit")
    theirs = NOTE.replace("power", "battery")
    other_window.until(lambda: other_window.all("#code .ace_content"), "the editor")
    other_window.chrome.execute_script("ace.edit('code').setValue(arguments[0], -1)", theirs)
    other_window.one("button[value=save]").click()
    other_window.until(lambda: other_window.text("#workflow h1") == "Note what opens", "Bob's text saved")
    window.one("form[action$='/restore'] button").click()
    said = window.until(lambda: window.text("main [role=alert]"), "who was quicker")
    assert said.startswith("Bob has saved it meanwhile: nothing was restored.")
    assert "battery" in window.text("#restoring del")
    assert "battery" in org.get("/workflows/note-what-opens")["document"]
    window.one("form[action$='/restore'] button").click()
    window.until(lambda: window.text("#workflow h1") == "Note what opens", "the version, once seen what it changes")
    assert "power" in org.get("/workflows/note-what-opens")["document"]

    other_window.go(f"{here}/edit")
    assert org.put_yaml("/workflows/note-what-opens", theirs).status_code == 200
    other_window.one(".removing button").click()
    said = other_window.until(lambda: other_window.text("main [role=alert]"), "that it is another one by now")
    assert "nothing was removed" in said
    other_window.one(".removing button").click()
    other_window.until(lambda: other_window.all("#workflows"), "the list")
    assert org.try_get("/workflows/note-what-opens") is None
    assert ["412" in each for each in [*window.complaints(), *other_window.complaints()]] == [True, True]


@pytest.mark.slow
@pytest.mark.rule("AC-92")
def test_a_run_that_failed_is_retried_once_its_channel_is_there(window: Window, org: OrgApi) -> None:
    assert org.post_yaml("/workflows", FAILS).status_code == 201
    run = org.post("/workflows/tells-nobody/runs", {"data": {}}).json()["id"]
    window.go(f"/orgs/{org.org}/runs/{run}")
    window.until(lambda: window.text(".crumbs .state") == "Failed", "it failed")
    assert "The org has no channel 'ops'" in window.text(".sentence")
    mail = {"host": "mail.nobody.invalid", "from": "a@nobody.invalid", "to": ["b@nobody.invalid"]}
    assert org.put("/channels/ops", {"kind": "email", "settings": mail}).status_code == 201
    window.one("form[action$='/retry'] button").click()
    window.until(lambda: "waits" in window.text("#node-tell"), "it on its way again")
    window.one("form[action$='/cancel'] button").click()
    window.until(lambda: window.text(".crumbs .state") == "Cancelled", "the run cancelled")


@pytest.mark.slow
@pytest.mark.rule("AC-138", "AC-137")
def test_people_come_and_go_and_tickets_are_taken_along(window: Window, org: OrgApi, tmp_path: Path) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/members")
    window.one("#person").send_keys("ann@acme.example")
    window.one("#role option[value=operator]").click()
    window.one(".making .main").click()
    window.until(lambda: "ann@acme.example" in window.text("#members"), "Ann in the org")
    [ann] = org.get("/members")["items"]
    assert (ann["person"], ann["role"]) == ("ann@acme.example", "operator")
    window.one("#members td button").click()
    window.until(lambda: "No members yet" in window.text("#members"), "nobody")
    assert org.get("/members")["items"] == []

    window.go(f"/orgs/{org.org}/settings")
    window.chrome.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    window.one("a[download]").click()
    file = tmp_path / f"{org.org}-tickets.jsonl"
    eventually(file.exists, "the file")
    [line] = file.read_text().splitlines()
    assert json.loads(line)["number"] == number


@pytest.mark.slow
@pytest.mark.rule("AC-185")
def test_a_tickets_link_is_copied_and_the_scheme_chosen(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/tickets/{number}")
    may_read(window)
    window.one("[data-copy]").click()
    window.until(lambda: window.all("[data-copy].copied"), "that it is copied")
    assert pasted(window) == f"{window.url}/orgs/{org.org}/tickets/{number}"

    paper = "return getComputedStyle(document.body).backgroundColor"
    light = window.script(paper)
    window.one("#theme").click()
    dark = window.script(paper)
    assert dark != light
    window.chrome.refresh()
    assert window.script(paper) == dark, "it is kept"
    window.one("#theme").click()
    assert window.script(paper) == light


@pytest.mark.rule("AC-191")
def test_what_can_be_copied_is_copied_where_the_browser_lets_no_page_do_it(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise", subject={"type": "device", "id": "lift-3"})
    address, commands = f"/orgs/{org.org}/tickets/{number}", f"/orgs/{org.org}/health/overview"
    may_read(window)
    for path, button, text in (
        (address, "[data-copy]", window.url + address),
        (address, "[data-copy-id]", "device/lift-3"),
        (commands, "[data-copy-text]", f"fettle heartbeat send device/x1 --interval-s 30 --org {org.org}"),
    ):
        window.go(path)
        window.script(INSECURE)
        window.one(button).click()
        window.until(lambda button=button: window.all(f"{button}.copied"), "that it is copied")  # type: ignore[misc]
        assert window.script("return document.getElementById('copied').textContent") == "Copied"
        assert window.script(f"return document.activeElement.matches('{button}')")
        assert (pasted(window), window.all(".to-copy")) == (text, [])

    window.go(path)
    window.script(f"{INSECURE}; document.execCommand = () => false")
    window.one(button).click()
    window.until(lambda: window.all(".to-copy:focus"), "what to copy by hand")
    assert "Ctrl+C" in str(window.one(".to-copy").get_attribute("title"))
    assert window.script("return document.getSelection().toString()") == text
    assert window.all(".copied") == []
    window.press("\ue00c")
    window.until(lambda: not window.all(".to-copy"), "it gone")


INSECURE = "window.kept = navigator.clipboard; delete Navigator.prototype.clipboard"
"""As over plain http on another host than this one; what is in the clipboard can still be looked at."""


def may_read(window: Window) -> None:
    """Lets what the test asks look into the clipboard."""
    grant = {"origin": window.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    window.chrome.execute_cdp_cmd("Browser.grantPermissions", grant)


def pasted(window: Window) -> str:
    """What is in the clipboard."""
    ask = "const done = arguments[0]; (window.kept ?? navigator.clipboard).readText().then(done, (e) => done(`${e}`))"
    return str(window.chrome.execute_async_script(ask))
