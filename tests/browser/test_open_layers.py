"""What lies over a page, or is there before anybody has signed in: axe finds nothing in it, either, in both schemes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.browser.test_live_pages import beat, report
from tests.browser.test_page_layout import LOOKS, faults_of
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

SHOWN = LOOKS[:4]


def opens(window: Window, press: Callable[[], object], there: str) -> None:
    """Presses what opens it, and waits until it is there."""
    press()
    window.until(lambda: window.all(there), there)


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_what_opens_over_a_page_can_be_used_by_everybody(window: Window, org: OrgApi, pictures: Path) -> None:
    base = f"/orgs/{org.org}"
    beat(org, "t17")
    [ticket] = eventually(org.tickets, "the ticket of a silent device")
    report(org, "Lift 3 makes a noise")
    assert org.put("/secrets/slack_url", {"value": "as long as it must be"}).status_code == 201
    token = org.get("/tokens")["items"][0]["id"]
    opened = {
        "keys": (f"{base}/tickets", lambda: window.press("?"), "#keys[open]"),
        "bulk": (f"{base}/tickets", lambda: window.press("j", "x", "j", "x"), "#rows :checked"),
        "filter": (f"{base}/tickets", window.one(".narrow summary").click, ".narrow[open]"),
        "person": (f"{base}/tickets", window.one(".person summary").click, ".person[open]"),
        "silence": (f"{base}/tickets/{ticket['number']}", window.one(".about .silence").click, "#silence[open]"),
        "others": (f"{base}/tickets/{ticket['number']}", window.one(".others summary").click, ".others[open]"),
        "filter-health": (f"{base}/health", window.one(".narrow summary").click, ".narrow[open]"),
        "secret": (f"{base}/channels", window.one(".secrets summary").click, ".secrets details[open]"),
        "revoke": (f"{base}/tokens?revoke={token}", lambda: None, "#revoke[open]"),
    }
    faults = []
    for name, (path, press, there) in opened.items():
        faults += faults_of(window, f"open-{name}", path, pictures, SHOWN, partial(opens, window, press, there))
    assert faults == []


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_the_way_in_can_be_used_by_everybody(window: Window, pictures: Path) -> None:
    window.leave()
    assert faults_of(window, "sign-in", "/sign-in", pictures, SHOWN) == []
    said = partial(opens, window, partial(window.one("#token").send_keys, "ftl_nobody\n"), "#error")
    assert faults_of(window, "sign-in-refused", "/sign-in", pictures, SHOWN, said) == []
    window.complaints()  # of the refusal


@pytest.mark.rule("AC-181")
def test_keys_of_one_character_can_be_switched_off_in_this_browser(window: Window, org: OrgApi) -> None:
    number = report(org, "Lift 3 makes a noise")
    window.until(lambda: window.rows() == ["Lift 3 makes a noise"], "the ticket")
    window.press("?")
    for _ in range(9):
        if window.focused() != "single-keys":
            window.press("\t")
    window.press(" ", "\ue00c")
    window.until(lambda: not window.all("#keys[open]"), "the list of keys closed")
    try:
        for key in ("j", "x", "/", "?"):
            window.press(key)
            assert (window.all("#rows :checked, #rows :focus, #q:focus, #keys[open]"), key) == ([], key)
        window.press("g", "h")
        window.go(f"/orgs/{org.org}/tickets/{number}")
        window.press("s", "c")
        assert window.focused() != "comment"
        window.one(".person summary").click()
        window.one("[data-opens='keys']").click()
        assert not window.script("return document.getElementById('single-keys').checked")
        window.one("#single-keys").click()
        window.press("\ue00c", "s")
        window.until(lambda: window.text(".crumbs .state") == "In progress", "work started by its key again")
        assert [entry["type"] for entry in org.timeline(number)] == ["opened", "started"]
    finally:
        window.script("localStorage.clear()")
