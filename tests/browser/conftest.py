"""A real Chromium on a whole installation. Where it is missing the tests are skipped and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver

from fettle_devstack.isolation import discard, isolated
from fettle_devstack.servers import Servers
from tests.browser.window import Window
from tests.conftest import running
from tests.installation import Installation, OrgApi
from tests.verdict_books import check

_MISSING = "no Chromium to test with; bring it with: apt-get install chromium chromium-driver"
_orgs = count(1)


@pytest.fixture(scope="package")
def installed(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all of them; every test has an org of its own. In the end its verdicts must add up."""
    environment = isolated(servers)
    with running(environment, tmp_path_factory.mktemp("installation")) as started:
        yield started
    check(environment)
    discard(servers, environment)


@pytest.fixture(scope="package")
def chromium() -> Iterator[webdriver.Chrome]:
    """The browser, started once."""
    chrome = _chromium()
    yield chrome
    chrome.quit()


def _chromium() -> webdriver.Chrome:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        if os.environ.get("CI"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Driver(driver))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of pages go: for people, to the folder that `FETTLE_PICTURES` names."""
    folder = Path(os.environ.get("FETTLE_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def org(installed: Installation) -> OrgApi:
    """A new org whose devices are missed after five seconds."""
    return installed.create_org(f"org-{next(_orgs)}")


@pytest.fixture
def window(chromium: webdriver.Chrome, installed: Installation, org: OrgApi) -> Iterator[Window]:
    """A window whose person is signed in as the org's admin and looks at its tickets. In the end the browser itself
    must have found nothing wrong that the test has not looked at (`complaints`)."""
    shown = Window(chromium, installed.url)
    shown.sign_in(org.token)
    yield shown
    found = shown.complaints()
    shown.leave()
    assert found == []


@pytest.fixture
def other_window(installed: Installation, org: OrgApi) -> Iterator[Window]:
    """The window of somebody else of the org, in a browser of their own, of which the same holds."""
    chrome = _chromium()
    try:
        shown = Window(chrome, installed.url)
        shown.sign_in(org.new_token("operator", "Bob"))
        yield shown
        assert shown.complaints() == []
    finally:
        chrome.quit()
