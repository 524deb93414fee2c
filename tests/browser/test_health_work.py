"""Health in a real browser on a whole installation: the fleet at a glance, a selection silenced, policies written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.test_page_layout import BRIEFLY, LONG, WORD, faults_of
from tests.browser.window import Window
from tests.installation import OrgApi, eventually


def beat(org: OrgApi, *ids: str, integration: str = "hue-1", **more: object) -> None:
    """Heartbeats of lamps behind an integration."""
    said = {"type": "device", "interval_s": 1, "space": "oslo/hq", "integration": integration, **more}
    body = "\n".join(json.dumps({**said, "id": id, "name": f"Lamp {id}"}) for id in ids).encode()
    path, token = f"/api/v1/orgs/{org.org}/heartbeats", {"authorization": f"Bearer {org.token}"}
    assert org.http.post(path, content=body, headers=token).status_code == 202


def patient(org: OrgApi) -> None:
    """Nobody of the org is missed within the hour."""
    assert org.put("/health-policy", {**org.get("/health-policy"), "timeout_s": 3600}).status_code in (200, 202)


TYPED = """
    const why = document.getElementById("reason");
    why.value += "!";
    why.dispatchEvent(new Event("input", {bubbles: true}));
"""


@pytest.mark.slow
@pytest.mark.rule("AC-95", "AC-97", "AC-99", "AC-100", "AC-104")
def test_the_fleet_is_seen_at_a_glance_and_a_part_of_it_silenced(window: Window, org: OrgApi, pictures: Path) -> None:
    patient(org)
    window.travel("h")
    window.until(lambda: window.text(".answer") == "Nobody has been heard yet.", "the overview")
    window.mark()
    beat(org, *(f"n{number}" for number in range(12)), integration="gateway-north", space="oslo/b2")
    beat(org, *(f"s{number}" for number in range(9)), integration="gateway-south", space="bergen")
    beat(org, "a", "b", "c")
    window.until(lambda: window.text(".answer") == "All 24 subjects are healthy.", "the fleet")
    beat(org, "a", "b", "c", status="offline")
    window.until(lambda: window.text(".answer") == "21 of 24 subjects are healthy; 3 are down.", "that all are down")
    window.until(lambda: "0 of 3 healthy" in window.text(".tiles .share"), "the tile of the integration")
    window.until(lambda: "3 devices behind hue-1 went down" in window.texts(".lately li a"), "what changed in words")
    assert window.script("return document.querySelectorAll('#fleet-day .bar-of').length") in (1, 2), (
        "of the quarters of an hour that this took"
    )
    assert not window.reloaded()
    window.picture(pictures / "overview.webp")

    window.one(".tiles a").click()
    window.until(lambda: window.texts("#rows .state") == ["Firing"] * 3, "the devices behind it")
    assert window.chrome.current_url.endswith("/health?integration=hue-1")
    window.press("j", "j")
    assert window.script("return document.activeElement.textContent") == "Lamp b"
    window.press("/", *"Lamp c")
    window.until(lambda: window.texts("#rows th a") == ["Lamp c"], "the search")
    here = "/health?integration=hue-1&q=Lamp+c"
    window.until(lambda: window.chrome.current_url.endswith(here), "the search in the address")
    window.one(".narrowed .edit").click()
    window.until(lambda: window.text("#covers b") == "3 devices", "whom it would cover")
    assert "Lamp a, Lamp b, Lamp c" in window.text("#covers")
    window.one("#model").send_keys("none like this")
    window.until(lambda: "Nobody is selected" in window.text("#covers"), "that nobody fits")
    window.one("#model").clear()
    window.one("#space").send_keys("oslo")
    window.one("#reason").send_keys("Rewiring")
    window.until(
        lambda: window.text("#covers .main:enabled") == "Silence 3 devices", "the button that says what it does"
    )
    window.picture(pictures / "new-silence.webp")
    assert window.script(TYPED + "return document.querySelector('#covers .main').disabled")
    window.until(lambda: window.all("#covers .main:enabled"), "what was typed last shown")
    window.one("#covers .main").click()
    window.until(lambda: window.texts("#silences th a") == ["3 subjects"], "the silence in the list")
    assert "Rewiring!" in window.text("#silences tbody")
    assert [one["subject"] for one in org.get("/silences")["items"]] == ["device/c", "device/b", "device/a"]
    window.one("#silences td button").click()
    window.until(lambda: "Nobody is silenced" in window.text("#silences"), "its end")
    window.one("a[href$='state=ended']").click()
    window.until(lambda: window.texts("#silences th a") == ["3 subjects"], "it among those that have ended")


@pytest.mark.slow
@pytest.mark.rule("AC-101", "AC-102")
def test_an_override_is_tried_and_saved(window: Window, other_window: Window, org: OrgApi, pictures: Path) -> None:
    beat(org, "door", model="D1")
    eventually(lambda: org.try_get("/subjects/device/door"), "the door is heard")
    here = f"/orgs/{org.org}/health/policies"
    window.go(f"{here}?subject=device/door&override=new")
    window.one("#kind option[value=model]").click()
    window.one("input[name=value]").send_keys("D1")
    window.one("#override-timeout_s").send_keys("7200")
    window.one("#override button[value=try]").click()
    window.until(lambda: window.texts("#holds tbody tr:first-child td")[:2] == ["3 s", "2 h"], "what would hold")
    assert not org.get("/health-policy")["overrides"]
    window.one("#override .main").click()
    window.until(lambda: "Saved." in window.text(".policies"), "that it is saved")
    assert org.get("/health-policy")["overrides"] == [{"match": {"model": "D1"}, "timeout_s": 7200}]
    row = window.texts("#holds tbody tr:first-child td")
    assert row == ["2 h", "model D1 says so, over 3 s of the org and 3 × interval, at least 30 s of the platform"]
    window.script("document.getElementById('overrides-title').scrollIntoView()")
    window.picture(pictures / "policies.webp")

    other_window.go(f"{here}?subject=device/door")
    assert "model D1 says so" in other_window.text("#holds")
    assert not other_window.all(".policies button:not(#holds button)")


@pytest.mark.rule("AC-105")
def test_the_heartbeats_of_an_hour_are_shown_where_one_asks(window: Window, org: OrgApi) -> None:
    patient(org)
    beat(org, "a")
    beat(org, "a", status="offline")
    eventually(lambda: org.get("/subjects", state="firing")["items"], "it fires")
    window.go(f"/orgs/{org.org}/health/device/a")
    window.one("[data-heard]").click()

    def ticks() -> bool:
        """The log is read for three seconds at most: who has seen less then asks again."""
        said = window.text("#heard")
        if said and not window.text("#heard b").startswith("2 heartbeats within ") and "…" not in said:
            window.go(f"/orgs/{org.org}/health/device/a")
            window.one("[data-heard]").click()
            return False
        return window.text("#heard b").startswith("2 heartbeats within ")

    window.until(ticks, "the ticks", 60)
    assert len(window.all("#heard path.well, #heard path.unwell")) == 2


NOT_IN_TIME = """
    const plain = window.fetch;
    window.fetch = async (address, ...more) =>
      String(address).endsWith("/judging")
        ? new Response(window.late ? "<p>Heartbeats are judged up to 3 min ago.</p>" : "")
        : plain(address, ...more);
    window.late = true;
    document.dispatchEvent(new CustomEvent("fettle:refresh"));
"""
PLACES = "return [...document.querySelectorAll('#rows tr')].map((row) => row.getBoundingClientRect().top)"


@pytest.mark.rule("AC-103", "AC-104")
def test_nothing_moves_when_judging_is_late_or_a_state_changes(window: Window, org: OrgApi) -> None:
    patient(org)
    beat(org, "a", "b", "c")
    eventually(lambda: len(org.get("/subjects", state="healthy")["items"]) == 3, "the subjects are heard")
    window.go(f"/orgs/{org.org}/health?sort=-since")
    window.until(lambda: len(window.texts("#rows tr")) == 3, "the subjects")
    window.until(lambda: window.text("#live .said") == "live", "the live mark")
    before = window.script(PLACES)
    window.script(NOT_IN_TIME)
    window.until(lambda: "judged up to 3 min ago" in window.text("#judging"), "that judging is late")
    assert window.script(PLACES) == before
    window.script("window.late = false; document.dispatchEvent(new CustomEvent('fettle:refresh'))")
    window.until(lambda: window.text("#judging") == "", "that it is in time again")

    names = window.texts("#rows th a")
    window.point_at("#rows tr:nth-child(1)")
    beat(org, names[-1].removeprefix("Lamp "), status="offline")
    window.until(lambda: window.text("#rows tr:nth-child(3) .state") not in ("", "Healthy"), "the state in its place")
    assert window.texts("#rows th a") == names
    window.until(lambda: window.text("#news") == "The list has changed: show", "the button that says so")
    window.one("#news").click()
    window.until(lambda: window.texts("#rows th a")[0] == names[-1], "the order that was waiting")


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_pages_of_health_fit_their_window_and_can_be_read_by_everybody(
    window: Window, org: OrgApi, pictures: Path
) -> None:
    base = f"/orgs/{org.org}"
    beat(org, WORD[:150], integration=WORD[:150], model=LONG[:150])
    eventually(lambda: org.get("/subjects")["items"], "a subject")
    silence = {"subject": f"device/{WORD[:150]}", "length_s": 60, "reason": LONG}
    assert org.post("/silences", {**silence, "rrule": "FREQ=WEEKLY;COUNT=9", "zone": "Europe/Oslo"}).status_code == 201
    policy = org.get("/health-policy")
    override = {"match": {"integration": WORD[:150]}, "timeout_s": 7200}
    assert org.put("/health-policy", {**policy, "overrides": [override]}).status_code in (200, 202)
    pages = {
        "overview": f"{base}/health/overview",
        "silences": f"{base}/health/silences",
        "new-silence": f"{base}/new-silence?integration={WORD[:60]}",
        "policies": f"{base}/health/policies?override=0&subject=device/{WORD[:150]}",
    }
    faults = []
    for name, path in pages.items():
        faults += faults_of(window, name, path, pictures, BRIEFLY)
    assert faults == []
