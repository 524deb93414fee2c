"""The graph, the editor, channels, secrets, hooks and runs by hand: by a person's path, on a whole installation."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.test_ticket_work import portrait
from tests.browser.test_workflow_work import cursor, write
from tests.browser.window import Window
from tests.installation import OrgApi

BY_HAND = """\
workflow: by-hand
title: Look after a ticket
enabled: true
nodes:
  pressed: {trigger: manual}
  told:    {trigger: signal, type: com.acme.*}
  known:   {after: [pressed, told], if: {all: [{value: {ref: event.data.ticket}, exists: true}]}}
  noted:
    after: [known.true]
    action: ticket.comment
    with: {ticket: {ref: event.data.ticket}, text: Somebody looks into it.}
  tell:    {after: [noted], action: notify, with: {channel: ops, text: A ticket needs a look.}}
  untold:
    after: [tell.error]
    action: ticket.comment
    with: {ticket: {ref: event.data.ticket}, text: {template: "Nobody was told: {{ tell.error.message }}"}}
  nobody:  {after: [known.false], action: fail, with: {message: It names no ticket.}}
"""
STATES = """
return Object.fromEntries([...document.querySelectorAll('.graph .node')].map((one) =>
  [one.querySelector('.name').textContent, one.querySelector('.words').textContent]))
"""
SENT = "return performance.getEntries().reduce((sum, one) => sum + (one.encodedBodySize ?? 0), 0)"
"""Bytes of a page and its files as they were sent, now or when they were kept."""


def offered(window: Window) -> str:
    """What the editor offers, one after the other."""
    lines = "return [...document.querySelectorAll('.ace_autocomplete .ace_line')].map((one) => one.textContent)"
    return " ".join(window.script(lines))


def ask(window: Window, typed: str, wanted: str) -> None:
    """Types the beginning of a word, asks the editor for what can stand there, and takes the first, if it is wanted."""
    window.press(typed)
    ActionChains(window.chrome).key_down(Keys.CONTROL).send_keys(Keys.SPACE).key_up(Keys.CONTROL).perform()
    window.until(lambda: offered(window).startswith(wanted), f"{wanted}, as what can stand there")
    window.press(Keys.ENTER)


def ticket(org: OrgApi) -> int:
    made = org.post("/tickets", {"title": "Lift 3", "kind": "user_report", "subject": {"type": "other", "id": "x"}})
    number: int = made.json()["number"]
    return number


def kept(window: Window, name: str, value: str) -> None:
    """Keeps a secret on the page of channels."""
    window.one("#secret-name").send_keys(name)
    window.one("#secret-value").send_keys(value)
    window.one("#keep button").click()
    window.until(lambda: name in window.texts(".secrets code"), f"the secret {name}, by its name")


@pytest.mark.slow
@pytest.mark.rule("AC-140", "AC-141", "AC-147", "AC-148", "AC-149")
def test_a_run_is_started_by_hand_followed_in_its_graph_and_run_again(
    window: Window, org: OrgApi, pictures: Path
) -> None:
    assert org.post_yaml("/workflows", BY_HAND).status_code == 201
    number = ticket(org)
    here = f"/orgs/{org.org}/workflows/by-hand"
    window.go(here)
    window.one(".graph a[aria-label^='untold:']").click()
    target = "return document.querySelector(':target')?.textContent ?? ''"
    window.until(lambda: window.script(target).strip().startswith("action:"), "its line of the document")
    window.go(here)
    window.one(f".deeds a[href='{here}/start']").click()
    window.one("#of-ticket").send_keys(f"#{number}", Keys.ENTER)
    window.until(lambda: window.all("#run .graph"), "the run that was started, with its graph")
    window.until(lambda: window.text(".crumbs .state") == "Done", "its end")
    shown = window.until(lambda: (found := window.script(STATES))["untold"].startswith("Done") and found, "its nodes")
    assert (shown["tell"], shown["nobody"], shown["told"]) == ("Failed", "Skipped", "Skipped")

    window.mark()
    window.script("document.querySelector(\".graph a[aria-label^='tell:']\").focus()")
    window.press(Keys.ENTER)
    assert "The org has no channel 'ops'." in window.text("#node-tell")
    assert "A ticket needs a look." in window.text("#input-tell")
    assert (window.focused(), window.reloaded()) == ("node-tell", False)
    window.script("scrollTo(0, 0)")
    portrait(window, pictures / "run.webp")
    window.chrome.refresh()
    assert "A ticket needs a look." in window.text("#input-tell")  # the address shows it again

    document = BY_HAND.replace("Somebody looks", "Ann looks")
    assert org.post_yaml("/workflows?dry_run=true", document).json()["faults"] == []
    assert org.put_yaml("/workflows/by-hand", document).json()["version"] == 2
    window.chrome.refresh()
    window.one(".rerun select").send_keys("version 1")
    window.one(".rerun button").click()
    window.until(lambda: "an earlier run" in window.text(".of-run"), "the other run")
    assert "version 1" in window.text(".of-run")
    window.go(f"{here}/versions/1")
    assert "Somebody looks" in window.text("#restoring ins")
    assert window.all(".graph .node")
    window.go(f"{here}/try?on=manual&event=" + "%7B%22data%22%3A%7B%22ticket%22%3A1%7D%7D")
    assert window.script(STATES)["noted"].startswith("would comment on")


@pytest.mark.slow
@pytest.mark.rule("AC-142", "AC-143")
def test_a_document_is_written_with_completion_and_its_graph_beside_it(
    window: Window, org: OrgApi, pictures: Path
) -> None:
    here = f"/orgs/{org.org}/new-workflow"
    window.go(here)
    write(window, BY_HAND)
    window.until(lambda: "known" in window.script(STATES), "the graph of what is written")
    window.until(lambda: window.script("return ace.edit('code').completers.length") == 1, "its words alone to offer")
    window.script("const code = ace.edit('code'); code.navigateFileEnd(); code.insert('  late: {after: [')")
    window.press("t")
    window.until(lambda: "tell.error" in offered(window), "what can stand there, by itself")
    window.press(Keys.ESCAPE)
    window.script("ace.edit('code').setOption('enableLiveAutocompletion', false)")  # no machine types as people do
    ask(window, "el", "tell")
    ask(window, "], act", "action:")
    ask(window, "ticket.res", "ticket.resolve")
    window.press(", with: {ticket: {ref: event.data.tick}}}")
    line = window.script("return ace.edit('code').getValue().split('\\n').at(-1)")
    assert line == "  late: {after: [tell], action: ticket.resolve, with: {ticket: {ref: event.data.tick}}}"
    window.until(lambda: "late" in window.script(STATES), "the graph with the new node")
    window.script("ace.edit('code').setValue(ace.edit('code').getValue().replace('after: [tell]', 'after: [tel]'), 1)")
    window.until(lambda: "Did you mean tell?" in window.text(".faults"), "the fault")
    assert window.all("#drawn.stale .graph")
    assert window.script("return document.documentElement.scrollWidth <= innerWidth")
    portrait(window, pictures / "workflow-editor.webp")
    window.one(".faults a").click()
    assert cursor(window) == "18:18"
    window.press(Keys.DELETE * 3, "tell")
    window.until(lambda: "No faults" in window.text("#verdict"), "that it is well again")
    window.press(Keys.ESCAPE, Keys.TAB)
    assert window.script("return !document.activeElement.closest('#code')")  # nobody is kept in it
    window.script("ace.edit('code').focus()")
    ActionChains(window.chrome).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    window.until(lambda: window.text("#workflow h1") == "Look after a ticket", "the workflow saved")

    window.go(f"/orgs/{org.org}/workflows/by-hand/edit")
    window.until(lambda: window.all("#drawn .graph"), "the editor with its graph")
    sent = window.script(SENT)
    assert 150_000 < sent < 300_000


@pytest.mark.slow
@pytest.mark.rule("AC-142")
def test_without_the_editor_a_plain_field_does_the_same(window: Window, org: OrgApi) -> None:
    window.chrome.execute_cdp_cmd("Network.enable", {})
    window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/ace.js*"]})
    try:
        window.go(f"/orgs/{org.org}/new-workflow")
        window.one("#document").clear()
        window.one("#document").send_keys(BY_HAND.replace("known.true", "knwn.true"))
        window.until(lambda: "Did you mean known?" in window.text(".faults"), "the fault, all the same")
        window.one(".faults a").click()
        at = "const field = document.getElementById('document'); return field.value.slice(field.selectionStart, -1)"
        assert window.script(at).startswith("knwn.true")
        window.one("button[value=check]").click()
        window.until(lambda: "cannot be saved" in window.text("main [role=alert]"), "what Check says")
        window.one("#document").clear()
        window.one("#document").send_keys(BY_HAND)
        window.one("button[value=save]").click()
        window.until(lambda: window.text("#workflow h1") == "Look after a ticket", "the workflow saved")
    finally:
        window.chrome.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
        window.complaints()  # of the file that was kept from it, and of the page that refused


@pytest.mark.slow
@pytest.mark.rule("AC-144", "AC-145", "AC-146")
def test_channels_secrets_and_a_hook_are_made_used_and_removed(window: Window, org: OrgApi) -> None:
    window.go(f"/orgs/{org.org}/channels")
    kept(window, "own_key", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    kept(window, "spare", "no more than a value")
    window.one(".bar .button").click()
    window.one(".tabs a[href$='kind=webhook']").click()
    window.one("#name").send_keys("ops")
    window.one("#url").send_keys("ftp://own.test/")
    window.one("#key").send_keys("own_key")
    window.one(".report .main").click()
    window.until(lambda: window.all("#url[aria-invalid]"), "the field that is refused")
    assert window.one("#name").get_attribute("value") == "ops"
    window.one("#url").clear()
    window.one("#url").send_keys("http://127.0.0.1:9/")
    window.one(".report .main").click()
    window.until(lambda: window.text(".channels tbody th") == "ops", "the channel")
    window.one(".channels td button").click()
    window.until(lambda: "The test of ops was not sent" in window.text("main [role=alert]"), "what became of a test")
    window.one(".channels th a").click()
    window.one("#hourly_cap").clear()
    window.one("#hourly_cap").send_keys("5")
    window.one(".report .main").click()
    window.until(lambda: "of 5" in window.text(".channels"), "the channel changed")
    [channel] = org.get("/channels")["items"]
    assert channel["settings"] == {"url": "http://127.0.0.1:9/", "key": {"secret": "own_key"}}
    window.one(".secrets .line:has(code) summary").click()
    window.one(".secrets details[open] button").click()
    window.until(lambda: "names this secret" in window.text("main [role=alert]"), "that the secret is needed")
    window.one(".channels th a").click()
    window.one(".removing button").click()
    window.until(lambda: "No channels yet" in window.text("#channels"), "the channel removed")
    window.one(".secrets .line:has(code) summary").click()
    window.one(".secrets details[open] button").click()
    window.until(lambda: "own_key" not in window.text(".secrets"), "the secret removed")
    assert [one["name"] for one in org.get("/secrets")["items"]] == ["spare"]

    assert org.post_yaml("/workflows", BY_HAND).status_code == 201
    window.go(f"/orgs/{org.org}/workflows/by-hand")
    window.one(".deeds a[href$='/hook']").click()
    window.one(".hook .ask button").click()
    window.until(lambda: window.all(".made code"), "the secret, this once")
    address, secret = window.texts(".hook .command code")[:2]
    knocked = httpx2.post(address, headers={"fettle-hook-secret": secret}, json={"a": 1}, timeout=15.0)
    assert knocked.status_code == 202
    window.go(f"/orgs/{org.org}/workflows/by-hand/hook")
    assert secret not in window.chrome.page_source
    window.one(".hook .line button").click()
    window.until(lambda: "nobody can knock yet" in window.text(".hook"), "the secret ended")
    gone = httpx2.post(address, headers={"fettle-hook-secret": secret}, json={"a": 1}, timeout=15.0)
    assert gone.status_code == 401
    refused = [line for line in window.complaints() if "422" in line or "409" in line]
    assert len(refused) == 2
