"""People who come in by an OpenID provider, in a real browser: out to it, back to the wanted page, and out of both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fettle_devstack.ports import free_port
from tests.browser.test_live_pages import report
from tests.browser.test_open_layers import SHOWN, opens
from tests.browser.test_page_layout import faults_of
from tests.browser.window import Window
from tests.installation import Installation, OrgApi
from tests.provider import ANN, CLIENT, SECRET, Provider, providing

DOOR = "main a[href^='/sign-in/provider']"


@pytest.fixture
def provider(org: OrgApi) -> Iterator[Provider]:
    """One that asks who somebody is, and knows Ann, an operator of the org."""
    with providing() as made:
        made.asks, made.person = True, {**ANN, "groups": [f"{org.org}:operator"]}
        yield made


@pytest.fixture
def shown(window: Window, installed: Installation, provider: Provider, tmp_path: Path) -> Iterator[Window]:
    """A stranger's window on one more console of the installation, which people sign in to by the provider."""
    port = str(free_port())
    settings = {
        "FETTLE_HTTP_PORT": port,
        "FETTLE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "FETTLE_OIDC_ISSUER": provider.url,
        "FETTLE_OIDC_CLIENT_ID": CLIENT,
        "FETTLE_OIDC_CLIENT_SECRET": SECRET,
    }
    console = Installation({**installed.environment, **settings}, tmp_path)
    try:
        console.start("console")
        console.wait_ready()
        window.leave()
        yield Window(window.chrome, console.url)
    finally:
        console.stop()


def come_to_the_provider(shown: Window, wanted: str) -> None:
    shown.go(wanted)
    shown.one(DOOR).click()
    shown.until(lambda: shown.text("h1") == "Who are you?", "the provider's page")


@pytest.mark.slow
@pytest.mark.rule("AC-110", "AC-112", "AC-113")
def test_ann_comes_in_by_the_provider_works_and_goes_out_of_both(
    shown: Window, org: OrgApi, provider: Provider
) -> None:
    number = report(org, "Lift 3 makes a noise")
    wanted = f"/orgs/{org.org}/tickets/{number}"
    come_to_the_provider(shown, wanted)
    shown.one("#yes").click()
    shown.until(lambda: shown.text("#ticket h1") == "Lift 3 makes a noise", "the page that she wanted")
    assert shown.chrome.current_url == shown.url + wanted
    shown.one(".person summary").click()
    assert shown.text(".person .sheet p") == f"Ann\noperator in {org.org}"
    shown.press("\ue00c", "s")
    shown.until(lambda: shown.text(".crumbs .state") == "In progress", "her work")
    started = org.timeline(number)[-1]
    assert (started["type"], started["actor"]["id"], started["actor"]["name"]) == ("started", "ann@acme.test", "Ann")

    shown.one(".person summary").click()
    shown.one("form[action='/sign-out'] button").click()
    shown.until(lambda: shown.all("#token"), "the sign-in page, by way of the provider")
    assert (shown.chrome.current_url, "/exit" in provider.asked) == (f"{shown.url}/sign-in", True)
    shown.chrome.back()
    shown.until(lambda: shown.all("#token"), "nothing behind her")
    come_to_the_provider(shown, wanted)  # which does not know her any more either


@pytest.mark.slow
@pytest.mark.rule("AC-110", "AC-112", "AC-84")
def test_who_is_not_let_in_reads_why_and_can_begin_again(
    shown: Window, org: OrgApi, provider: Provider, pictures: Path
) -> None:
    wanted = f"/orgs/{org.org}/health"
    come_to_the_provider(shown, wanted)
    shown.one("#no").click()
    shown.until(lambda: "did not let you in" in shown.text("#error"), "that the provider refused")
    shown.one(DOOR).click()
    provider.person = {**provider.person, "groups": []}
    shown.one("#yes").click()
    shown.until(lambda: "You are ann@acme.test, and in no org here" in shown.text("#error"), "that no org has her")

    provider.person = {**provider.person, "groups": [f"{org.org}:viewer"]}
    shown.go(wanted)
    shown.one(DOOR).click()
    shown.until(lambda: shown.chrome.current_url == shown.url + wanted, "the page that she wanted, without being asked")
    shown.complaints()  # of the refusals

    shown.leave()
    provider.knows = False
    assert faults_of(shown, "sign-in-provider", "/sign-in", pictures, SHOWN) == []

    def refused() -> None:
        shown.one(DOOR).click()
        shown.one("#no").click()

    said = partial(opens, shown, refused, "#error")
    assert faults_of(shown, "sign-in-provider-refused", "/sign-in", pictures, SHOWN, said) == []
    shown.complaints()  # of the refusal
