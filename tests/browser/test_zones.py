"""Whose clock the pages go by, in a real browser that has another one."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.browser.test_live_pages import beat
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

NEW_YORK, KOLKATA = "America/New_York", "Asia/Kolkata"
TIMES = """
    return [...document.querySelectorAll("main time, .as-of time")].map((time) => [time.dateTime, time.title])
"""
HOURS = "return [...document.querySelectorAll('.hours time')].map((time) => [time.dateTime, time.textContent])"


@pytest.mark.slow
@pytest.mark.rule("AC-192")
def test_times_go_by_the_orgs_clock_and_without_one_by_the_readers(window: Window, org: OrgApi) -> None:
    beat(org, "a")
    eventually(lambda: org.try_get("/subjects/device/a"), "it is known")
    window.chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": NEW_YORK})
    try:
        for zone, own in ((KOLKATA, KOLKATA), (None, NEW_YORK)):
            assert org._call("PUT", "", json={"zone": zone}).status_code == 200
            sees(window, org, ZoneInfo(own), zone)
    finally:
        window.chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def sees(window: Window, org: OrgApi, clock: ZoneInfo, zone: str | None) -> None:
    """Everything on a subject's page and in the forms of silences is by this clock."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).astimezone(clock)

    window.go(f"/orgs/{org.org}/health/device/a")
    shown = window.script(TIMES)
    assert len(shown) > 8
    assert [(text, title) for text, title in shown if f"{at(text):%H:%M:%S}" not in title] == []
    assert all("GMT+5:30" in title for _, title in shown) is (zone is not None)
    assert [(text, hour) for text, hour in window.script(HOURS) if f"{at(text):%H:%M}" != hour] == []

    end = at(str(window.one("#day").get_attribute("data-end"))).replace(microsecond=0)
    assert datetime.fromisoformat(str(window.one("#at").get_attribute("value"))) == end.replace(tzinfo=None)
    window.one("#ask-why button").click()
    window.until(lambda: window.all("#why .pairs time"), "why")
    asked = window.script("return document.querySelector('#why .pairs time').dateTime")
    assert at(asked) == end

    window.one(".crumbs .silence").click()
    in_four_hours = (window.script("return Date.now()") / 1000) + 4 * 3600
    until = window.script("return document.querySelector('#silence [data-until]').textContent")
    assert until[-5:] in {f"{datetime.fromtimestamp(in_four_hours - ago, clock):%H:%M}" for ago in (0, 60)}
    window.go(f"/orgs/{org.org}/new-silence")
    assert window.one("#zone").get_attribute("value") == str(clock)
