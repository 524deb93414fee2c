"""The filters of the list of tickets in a real browser, as people use them: by typing and by choosing."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from fettle_console.views.words import KINDS
from tests.browser.test_live_pages import report
from tests.browser.window import Window
from tests.installation import OrgApi

SUGGESTED = "return [...document.querySelector('.filters .kind').list.options].map((one) => one.value)"


@pytest.mark.rule("AC-187")
def test_tickets_are_filtered_by_a_kind_that_is_typed_or_suggested(window: Window, org: OrgApi) -> None:
    report(org, "Pump 3 is due", kind="pump_check")
    report(org, "Lift 3 makes a noise")
    everything = ["Lift 3 makes a noise", "Pump 3 is due"]
    window.until(lambda: window.rows() == everything, "both tickets")
    window.until(lambda: window.script(SUGGESTED) == [*KINDS.values(), "pump_check"], "their kinds, suggested")
    window.mark()

    window.one(".filters .kind").send_keys("user rep")
    assert [words for words in window.script(SUGGESTED) if "user rep" in words.lower()] == ["User report"]
    window.one(".filters .kind").send_keys("ort", Keys.ENTER)
    window.until(lambda: window.rows() == ["Lift 3 makes a noise"], "what somebody reported")
    window.until(lambda: window.chrome.current_url.endswith("/tickets?kind=user_report"), "the address of it")

    window.one(".filters .kind").clear()
    window.until(lambda: window.rows() == everything, "all of them again")
    window.one(".filters .kind").send_keys("pump_check", Keys.TAB)
    window.until(lambda: window.rows() == ["Pump 3 is due"], "what a workflow would have opened")
    window.until(lambda: window.chrome.current_url.endswith("/tickets?kind=pump_check"), "the address of it")
    report(org, "Pump 4 is due", kind="pump_check")
    report(org, "Door 14 does not lock")
    window.until(lambda: window.rows() == ["Pump 4 is due", "Pump 3 is due"], "what came meanwhile, of this kind alone")
    assert window.one(".filters .kind").get_attribute("value") == "pump_check"
    assert not window.reloaded()

    window.chrome.refresh()
    assert window.rows() == ["Pump 4 is due", "Pump 3 is due"]
    window.one(".filters .kind").clear()
    window.one(".filters .kind").send_keys("Heartbeats not arriving", Keys.ENTER)
    window.until(lambda: "No ticket fits" in window.text("#list"), "that there is none")
    window.one("#list .empty .button").click()
    window.until(lambda: len(window.rows()) == 4, "all tickets, by the way out")
    assert window.one(".filters .kind").get_attribute("value") == ""


@pytest.mark.slow
@pytest.mark.rule("AC-30")
def test_a_list_is_narrowed_sorted_and_paged_and_its_address_says_so(window: Window, org: OrgApi) -> None:
    for number in range(51):
        report(org, f"Lamp {number} is dark", space="bergen")
    report(org, "Lift 3 makes a noise", space="oslo/hq", subject={"type": "other", "id": "lift-3"})
    window.until(lambda: window.text("#open-count") == "52", "all of them counted")
    window.chrome.refresh()
    assert window.rows()[:2] == ["Lift 3 makes a noise", "Lamp 50 is dark"]
    window.one(".pager a[rel=next]").click()
    window.until(lambda: window.rows() == ["Lamp 1 is dark", "Lamp 0 is dark"], "the rest")
    window.one(".pager a").click()
    window.until(lambda: len(window.rows()) == 50, "the first page again")

    window.mark()
    Select(window.all(".filters [name=sort]")[0]).select_by_visible_text("Oldest first")
    window.until(lambda: window.rows()[:1] == ["Lamp 0 is dark"], "the oldest first")
    Select(window.all(".filters [name=source]")[0]).select_by_visible_text("Monitor")
    window.until(lambda: "No ticket fits" in window.text("#list"), "that the monitor opened none")
    Select(window.all(".filters [name=source]")[0]).select_by_visible_text("User")
    window.one(".narrow summary").click()
    window.one("#space").send_keys("oslo", Keys.ENTER)
    window.until(lambda: window.rows() == ["Lift 3 makes a noise"], "what is in Oslo")
    window.until(lambda: window.chrome.current_url.endswith("?source=user&space=oslo&sort=opened"), "its address")
    assert not window.reloaded()
    window.chrome.refresh()
    assert window.rows() == ["Lift 3 makes a noise"]
    window.one(".narrowed .chip").click()
    window.until(lambda: len(window.rows()) == 50, "all spaces, by the chip")
    window.go(f"/orgs/{org.org}/tickets?subject=other/lift-3")
    assert (window.rows(), window.texts(".narrowed .chip span")) == (["Lift 3 makes a noise"], ["subject other/lift-3"])
