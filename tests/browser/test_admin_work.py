"""What an admin does, by their path in a real browser on a whole installation: tokens, the record of it, dead letters,
the org."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.test_live_pages import report
from tests.browser.test_ticket_work import portrait
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually
from tests.outside import producer


def unreadable(installed: Installation, org: str, title: str) -> None:
    """Commands a ticket in a way that nobody understands, as another team's program might over Kafka."""
    command = {"org": org, "actor": {"type": "user", "id": "erp"}, "title": title, "subject": "lift-3"}
    sender = producer(installed.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"])
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"{org}-{title}",
        "ce_source": "erp",
        "ce_type": "fettle.ticket.command.open.v1",
        "ce_time": "2026-11-23T10:15:30.250Z",
        "content-type": "application/json",
    }
    sender.produce(installed.topic("ticket.commands"), json.dumps(command), org, headers=list(headers.items()))
    assert sender.flush(30) == 0


def letters(window: Window, least: int = 1) -> list[str]:
    """What the list of dead letters says once there are so many; it is asked again, as one may still be on its way."""
    found = window.texts("#dead-letters tbody th")
    if len(found) >= least:
        return found
    window.chrome.refresh()
    return []


def works(org: OrgApi, token: str) -> bool:
    return OrgApi(org.http, org.org, token).try_get("/tickets") is not None


@pytest.mark.slow
@pytest.mark.rule("AC-133", "AC-134", "AC-135", "AC-136", "AC-137")
def test_an_admin_makes_and_revokes_a_token_reads_the_record_and_sends_a_letter_again(
    window: Window, org: OrgApi, installed: Installation, pictures: Path
) -> None:
    number = report(org, "Lift 3 makes a noise")
    org.post(f"/tickets/{number}/start")
    unreadable(installed, org.org, "Lift 4 makes a noise")
    window.travel("a")
    window.until(lambda: window.all("#org"), "the org's page")
    window.one("#name").clear()
    window.one("#name").send_keys("Acme Ltd\n")
    window.until(lambda: window.text(".org") == "Acme Ltd", "its new name")

    window.one(".tabs a[href$='/tokens']").click()
    window.until(lambda: window.all("#tokens"), "the tokens")
    window.one(".making #name").send_keys("Night shift\n")
    text = window.until(lambda: window.text("#minted"), "the new token's text")
    assert works(org, text)
    window.go(f"/orgs/{org.org}/tokens")
    assert text not in window.chrome.page_source
    window.one("#tokens tr:last-child a").click()
    window.until(lambda: "Nobody is signed in with it" in window.text("#revoke"), "what it ends")
    focused = "return document.activeElement.textContent"
    window.until(lambda: window.script(focused) == "Revoke it", "the dialog with its button at hand")
    window.press("\n")
    window.until(lambda: "Night shift" not in window.text("#tokens"), "the token gone")
    assert not works(org, text)

    window.one(".tabs a[href$='/audit']").click()
    window.until(lambda: window.all("#audit"), "the audit log")
    lines = window.texts("#audit tbody th")
    newest = [line.partition(", made by")[0].partition(", token")[0] for line in lines[:3]]
    which = "name Night shift, role viewer"
    assert newest == [
        f"Revoke a token {which}",
        f"Mint a token {which}",
        "Change an org name Acme Ltd",
    ]
    assert {"Begin work on an open ticket", "Open a ticket", "Replace the health policy"} <= set(lines)
    portrait(window, pictures / "audit.webp")
    window.press("/")
    window.press(*f"tickets/{number}", "\n")
    window.until(lambda: window.texts("#audit tbody th") == ["Begin work on an open ticket"], "what was done to one")
    assert "thing=tickets%2F1" in window.chrome.current_url

    window.one(".tabs a[href$='/dead-letters']").click()
    [why] = window.until(lambda: letters(window), "the letter")
    assert "subject" in why
    window.one("#dead-letters th a").click()
    window.until(lambda: "Lift 4 makes a noise" in window.text("#value"), "the letter's page")
    portrait(window, pictures / "dead-letter.webp")
    window.one("form[action$='/redrive'] button").click()
    window.until(lambda: "Sent again to ticket.commands" in window.text(".well"), "the letter sent")
    entry = org.get("/audit", thing="dead-letters")["items"][0]
    assert (entry["outcome"], entry["door"]) == ("done", "page")
    window.one("#letter .crumbs a").click()
    window.until(lambda: letters(window, 2), "it back, as nothing was mended")


@pytest.mark.slow
@pytest.mark.rule("AC-137", "AC-9")
def test_an_org_is_deleted_by_typing_its_id(window: Window, org: OrgApi) -> None:
    report(org, "Lift 3 makes a noise")
    window.go(f"/orgs/{org.org}/settings")
    assert "One ticket goes, and with it everything" in window.text("#org")
    window.one("#confirm").send_keys("something else\n")
    assert window.all("#confirm:invalid"), "the browser lets nothing else be sent"
    window.one("#confirm").clear()
    window.one("#confirm").send_keys(f"{org.org}\n")
    window.until(lambda: window.all("#token"), "the sign-in page")
    eventually(lambda: not works(org, org.token), "the token ended")
