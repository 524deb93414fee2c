"""An operator's day in thirty steps, as `docs/operators-day.md` tells it; what is on screen agrees with the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import Select

from tests.browser.test_live_pages import beat, report
from tests.browser.test_workflow_work import write
from tests.browser.window import Window
from tests.installation import Installation, OrgApi
from tests.outside import Beating

SCRIPT = Path(__file__).parents[2] / "docs" / "operators-day.md"
ESCAPE, CONTROL, ENTER = "\ue00c", "\ue009", "\ue007"
FIRST_HELP = """\
workflow: first-help
title: First help
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: event.ticket.subject.type == "device"}
  helped:
    after: [opened]
    action: ticket.comment
    with: {ticket: {ref: event.ticket.id}, text: Change its battery first.}
"""


@dataclass
class Day:
    """Ann's window, the API of her org, how Bob comes in from elsewhere, and devices that are well."""

    window: Window
    org: OrgApi
    bob: str
    beating: Beating
    ticket: int = 0
    lift: int = 0
    done: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.window.go(f"/orgs/{self.org.org}{path}")

    def state(self, number: int) -> str:
        return str(self.org.get(f"/tickets/{number}")["state"])

    def types(self, number: int) -> list[str]:
        return [entry["type"] for entry in self.org.timeline(number)]


STEPS: list[tuple[str, Callable[[Day], None]]] = []


def step(title: str) -> Callable[[Callable[[Day], None]], Callable[[Day], None]]:
    def add(take: Callable[[Day], None]) -> Callable[[Day], None]:
        STEPS.append((title, take))
        return take

    return add


@step("Sign in")
def _(day: Day) -> None:
    assert "Three steps to the first ticket" in day.window.text("#list")
    day.window.until(lambda: day.window.text("#live .said") == "live", "the live mark")


@step("Let the alert come")
def _(day: Day) -> None:
    day.window.mark()
    beat(day.org, "t17")
    day.window.until(lambda: day.window.rows() == ["Device offline: Thermostat t17"], "the ticket in the list")
    day.window.until(lambda: day.window.text("#open-count") == "1", "the count beside it")
    day.window.until(lambda: day.window.chrome.title.startswith("(1) "), "the count in the tab")
    assert not day.window.reloaded()
    assert [ticket["state"] for ticket in day.org.tickets()] == ["open"]


@step("Open it by keyboard")
def _(day: Day) -> None:
    day.window.press("j", "\n")
    day.window.until(lambda: day.window.all("#ticket"), "the ticket's page")
    day.ticket = int(day.window.one("#ticket").get_attribute("data-number") or 0)
    assert day.window.text("#ticket h1") == day.org.get(f"/tickets/{day.ticket}")["title"]


@step("Read the answer first")
def _(day: Day) -> None:
    assert "Thermostat t17 went silent" in day.window.text(".sentence")


@step("Ask why")
def _(day: Day) -> None:
    day.window.one("#why-here summary").click()
    day.window.until(lambda: day.window.text("#why .because"), "what decided")
    assert "instead of" in day.window.text("#why")


@step("See who was told")
def _(day: Day) -> None:
    day.window.until(lambda: "no workflow has started" in day.window.text("#told"), "that nobody was told")
    assert day.org.get("/runs")["items"] == []


@step("Start work")
def _(day: Day) -> None:
    day.window.press("s")
    day.window.until(lambda: day.window.text(".crumbs .state") == "In progress", "started")
    assert day.state(day.ticket) == "in_progress"


@step("Say what you do")
def _(day: Day) -> None:
    day.window.press("c", *"I **look** at it.")
    day.window.one("#update [data-mode='preview']").click()
    day.window.until(lambda: day.window.text("#update .preview strong") == "look", "the preview")
    day.window.one("#update [data-mode='write']").click()
    day.window.one(":focus").send_keys(CONTROL + ENTER)
    day.window.until(lambda: day.window.texts(".entry .bubble") == ["I look at it."], "the comment")
    assert day.org.timeline(day.ticket)[-1]["body"] == "I **look** at it."


@step("Write down what is known")
def _(day: Day) -> None:
    day.window.one(".description .edit").click()
    day.window.until(lambda: day.window.all("#describe"), "the editor")
    before = str(day.window.one("#description").get_attribute("value"))
    day.window.one("#description").send_keys("\nThe display is dark.")
    day.window.one("#describe .main").click()
    day.window.until(lambda: "The display is dark." in day.window.text(".difference"), "the difference")
    told = day.org.get(f"/tickets/{day.ticket}")["description"]
    assert "The display is dark." in told
    assert told != before


@step("Link the work order")
def _(day: Day) -> None:
    day.window.one(".links .edit").click()
    day.window.until(lambda: day.window.all("#link"), "the fields")
    day.window.one("#link [name=label]").send_keys("WO-7")
    day.window.one("#link [name=url]").send_keys("https://work.example/7")
    day.window.one("#link .main").click()
    day.window.until(lambda: day.window.texts(".links .link a") == ["WO-7"], "the link")
    [link] = day.org.get(f"/tickets/{day.ticket}")["links"]
    assert link == {"label": "WO-7", "url": "https://work.example/7"}


@step("Look at its day")
def _(day: Day) -> None:
    day.window.one(".about dd a").click()
    day.window.until(lambda: day.window.all("#day .band[data-state='firing']"), "its day, with the trouble")
    assert "Thermostat t17 has been down for" in day.window.text(".sentence")
    assert day.window.all("#day .flag")


@step("Ask about another moment")
def _(day: Day) -> None:
    day.window.point_at("#day")
    day.window.click()
    day.window.until(lambda: day.window.text("#why-then .because"), "why there was no ticket twelve hours ago")


@step("Silence it")
def _(day: Day) -> None:
    day.go(f"/tickets/{day.ticket}")
    day.window.one(".about .silence").click()
    day.window.until(lambda: day.window.one("#silence").is_displayed(), "the dialog")
    assert "will open no tickets until" in day.window.text("#silence .consequence")
    day.window.one("#silence [data-words='1 h'] + span").click()
    day.window.one("#silence .main").click()
    day.window.until(lambda: "is silenced until" in day.window.text(".silenced"), "the silence")
    [silence] = day.org.get("/silences", state="active")["items"]
    assert (silence["subject"], silence["length_s"]) == ("device/t17", 3600)


@step("See what is down")
def _(day: Day) -> None:
    day.window.travel("h")
    day.go("/health?state=firing")
    day.window.until(lambda: len(day.window.texts(".subjects tbody th")) == 1, "who is down")
    assert "Thermostat t17" in day.window.text(".subjects tbody th")
    assert [subject["id"] for subject in day.org.get("/subjects", state="firing")["items"]] == ["t17"]


@step("Look at the fleet")
def _(day: Day) -> None:
    day.window.travel("h")
    day.window.until(lambda: "Thermostat t17" in day.window.text(".lately"), "what changed in the last hour")
    assert day.window.texts(".fleet [data-state='firing'] b") == ["1"]


@step("Silence a whole floor")
def _(day: Day) -> None:
    day.window.one(".tabs a[href$='/health/silences']").click()
    day.window.one("a[href$='/new-silence']").click()
    day.window.one("[name=whom][value=selection] + span").click()
    day.window.one("#space").send_keys("oslo/hq")
    day.window.one("[name=length][value='3600'] + span").click()
    day.window.until(lambda: "will open no tickets" in day.window.text("#covers"), "what it would cover")
    day.window.one("#covers .main:enabled").click()
    day.window.until(lambda: day.window.all("#silences"), "the list of silences")
    assert len(day.org.get("/silences", state="active")["items"]) == 2


@step("See what holds back")
def _(day: Day) -> None:
    day.window.until(lambda: len(day.window.texts("#silences tbody tr")) == 2, "both silences")
    shown, made = day.window.texts("#silences tbody tr"), day.org.get("/silences", state="active")["items"]
    assert all(any(silence["subject"] in row for row in shown) for silence in made)
    assert all("you" in row and "until" in row for row in shown)


@step("End it early")
def _(day: Day) -> None:
    for left in (1, 0):
        day.window.one("#silences tbody form button").click()
        day.window.until(lambda left=left: len(day.window.texts("#silences tbody tr")) == left, "one silence less")  # type: ignore[misc]
    assert day.org.get("/silences", state="active")["items"] == []


@step("Let the device come back")
def _(day: Day) -> None:
    day.go(f"/tickets/{day.ticket}")
    day.window.mark()
    day.beating.alive("device/t17", name="Thermostat t17", interval_s=1, space="oslo/hq")
    day.window.until(lambda: day.window.text(".crumbs .state") == "Resolved", "the ticket resolved on its page")
    assert not day.window.reloaded()
    assert (day.state(day.ticket), day.types(day.ticket)[-1]) == ("resolved", "resolved")


@step("Report what no device says")
def _(day: Day) -> None:
    day.window.travel("t")
    day.window.one("#report").click()
    day.window.one("#title").send_keys("Lift 3 makes a noise")
    day.window.one("[name=subject_type]").use(lambda found: Select(found).select_by_value("other"))
    day.window.one("[name=subject_id]").send_keys("lift-3")
    day.window.one("form.report .main").click()
    day.window.until(lambda: day.window.text("#ticket h1") == "Lift 3 makes a noise", "its ticket")
    day.lift = int(day.window.one("#ticket").get_attribute("data-number") or 0)
    assert day.org.get(f"/tickets/{day.lift}")["source"] == "user"


@step("Find it")
def _(day: Day) -> None:
    report(day.org, "Door 14 does not lock")
    day.go("/tickets")
    day.window.press("/", *"lift")
    day.window.until(lambda: day.window.rows() == ["Lift 3 makes a noise"], "what fits")
    assert [ticket["number"] for ticket in day.org.tickets(q="lift", state="open")] == [day.lift]


@step("Answer for several at once")
def _(day: Day) -> None:
    day.go("/tickets")
    day.window.until(lambda: len(day.window.rows()) == 2, "two open tickets")
    day.window.press("j", "x", "j", "x", "c", *"The janitor knows.", "\n")
    day.window.until(lambda: "2 tickets commented on" in day.window.text("#outcome"), "the outcome")
    assert [day.org.timeline(number)[-1]["body"] for number in (day.lift, day.lift + 1)] == ["The janitor knows."] * 2


@step("Resolve it with a word")
def _(day: Day) -> None:
    day.go(f"/tickets/{day.lift}")
    day.window.press("c", *"Oiled it.")
    day.window.one("#update .others summary").click()
    day.window.one("#update button[value='resolve']").click()
    day.window.until(lambda: day.window.text(".crumbs .state") == "Resolved", "resolved")
    assert day.types(day.lift)[-2:] == ["resolved", "comment-added"]


@step("Take it back")
def _(day: Day) -> None:
    day.window.until(lambda: day.window.one("#comment").get_attribute("value") == "", "an empty box")
    day.window.press("c", *"It is back.")
    day.window.one("#update button[value='reopen']").click()
    day.window.until(lambda: day.window.text(".crumbs .state") == "Open", "open again")
    assert day.types(day.lift)[-2:] == ["reopened", "comment-added"]


@step("See it from elsewhere")
def _(day: Day) -> None:
    day.window.mark()
    OrgApi(day.org.http, day.org.org, day.bob).post(f"/tickets/{day.lift}/comments", {"comment": "It was the fan."})
    day.window.until(lambda: "It was the fan." in day.window.texts(".entry .bubble"), "Bob's comment")
    assert "Bob" in day.window.texts(".entry .deed b")
    assert not day.window.reloaded()


@step("Begin a workflow")
def _(day: Day) -> None:
    day.window.press(ESCAPE)
    day.window.travel("w")
    day.window.until(lambda: day.window.all("#workflows"), "the workflows")
    day.window.one(".bar .button").click()


@step("Write what should happen")
def _(day: Day) -> None:
    write(day.window, FIRST_HELP.replace("after: [opened]", "after: [opend]"))
    day.window.until(lambda: "Did you mean opened?" in day.window.text(".faults"), "the fault, at its line")
    write(day.window, FIRST_HELP)
    day.window.until(lambda: not day.window.all(".faults"), "no fault")
    day.window.one("button[value=save]").click()
    day.window.until(lambda: day.window.text("#workflow h1") == "First help", "the workflow's page")
    assert day.org.get("/workflows/first-help")["enabled"] is True


@step("Try it on this morning")
def _(day: Day) -> None:
    day.window.one("a[href$='/try?days=7']").click()

    def previewed() -> bool:
        if "it would have started once" in day.window.text("#preview"):
            return True
        day.window.chrome.refresh()
        return False

    day.window.until(previewed, "what it would have done")
    day.window.one(".past summary").click()
    assert "would comment on" in day.window.text(".past")


@step("Let it happen")
def _(day: Day) -> None:
    day.go("/tickets")
    beat(day.org, "t18")
    day.window.until(lambda: "Device offline: Thermostat t18" in day.window.rows(), "the next alert")
    [ticket] = day.org.tickets(subject="device/t18")
    day.go(f"/tickets/{ticket['number']}")
    day.window.until(
        lambda: "Change its battery first." in day.window.texts(".entry .bubble"), "the workflow's comment"
    )
    day.window.until(lambda: "first-help" in day.window.text("#told"), "who was told")


@step("Look back")
def _(day: Day) -> None:
    day.window.one("#told a").click()
    day.window.until(lambda: "Done" in day.window.text("#node-helped"), "the run, node by node")
    day.window.travel("a")
    day.go("/audit")
    day.window.until(lambda: len(day.window.texts("#audit tbody tr")) > 10, "what was asked today")
    assert len(day.org.get("/audit")["items"]) == len(day.window.texts("#audit tbody tr"))
    day.window.one(".person summary").click()
    day.window.one("form[action='/sign-out'] button").click()
    day.window.until(lambda: day.window.all("#token"), "the sign-in page")


@pytest.mark.rule("AC-158")
def test_the_script_and_its_steps_are_the_same_thirty() -> None:
    told = re.findall(r"^(\d+)\. \*\*(.+?)\.\*\*", SCRIPT.read_text(), re.MULTILINE)
    assert told == [(str(number), title) for number, (title, _) in enumerate(STEPS, 1)]
    assert len(STEPS) == 30


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.rule("AC-158")
def test_an_operators_day(window: Window, org: OrgApi, installed: Installation) -> None:
    bootstrap = installed.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    with Beating(bootstrap, installed.topic("device.heartbeats"), org.org) as beating:
        day = Day(window, org, org.new_token("operator", "Bob"), beating)
        for number, (title, take) in enumerate(STEPS, 1):
            try:
                take(day)
            except Exception as error:
                error.add_note(f"step {number}: {title}")
                raise
