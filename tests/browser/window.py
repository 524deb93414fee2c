"""What a person sees and does in a browser window."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.installation import eventually

T = TypeVar("T")
PLACES = {"t": "/tickets", "h": "/health/overview", "w": "/workflows", "a": "/settings"}
# What the driver says of an element whose page was replaced between two of its own steps: stale by another name.
_REPLACED = "Node with given id does not belong to the document"
# What appears begins transparent, and to the driver nothing of the transparent is visible.
_APPEARING = "return arguments[0].some((one) => one.closest('.arrived')?.getAnimations().length)"


class Element:
    """What stands at a selector: looked up at each use, and again when it is not there yet or the page has replaced it
    meanwhile."""

    def __init__(self, window: Window, selector: str) -> None:
        self._window, self._selector = window, selector

    @property
    def text(self) -> str:
        return self.use(lambda found: found.text)

    def click(self) -> None:
        self.use(lambda found: found.click())

    def clear(self) -> None:
        self.use(lambda found: found.clear())

    def send_keys(self, *keys: str) -> None:
        self.use(lambda found: found.send_keys(*keys))

    def get_attribute(self, name: str) -> str | None:
        return self.use(lambda found: found.get_attribute(name))

    def is_displayed(self) -> bool:
        return self.use(lambda found: found.is_displayed())

    def use(self, act: Callable[[WebElement], T]) -> T:
        """What `act` makes of it. The driver finds out before it does anything that an element was replaced."""
        [made] = self._window.until(
            lambda: [act(found) for found in self._window.all(self._selector)[:1]], f"{self._selector} on the page"
        )
        return made


class Window:
    """One window of the console. Waiting polls what is shown, as a person looks until it is there."""

    def __init__(self, chrome: webdriver.Chrome, url: str) -> None:
        self.chrome, self.url = chrome, url
        self.resize(1680, 1000)
        self.complaints()

    def sign_in(self, token: str) -> None:
        self.go("/sign-in")
        self.one("#token").send_keys(token)
        self.one("form[action='/sign-in'] button").click()
        self.until(lambda: self.all("#tabs"), "the list after signing in")

    def leave(self) -> None:
        """Signed out and away, so that the next one begins as a stranger."""
        self.chrome.delete_all_cookies()
        self.chrome.get("about:blank")

    def go(self, path: str) -> None:
        self.chrome.get(self.url + path)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Element:
        return Element(self, selector)

    def text(self, selector: str) -> str:
        """What is visible of the first such element; nothing when there is none."""
        return next(iter(self.texts(selector, 1)), "")

    def texts(self, selector: str, most: int | None = None) -> list[str]:
        """What is visible of the elements, all of them as they are at one time."""

        def read() -> list[list[str]]:
            found = self.all(selector)[:most]
            seen = [element.text for element in found]
            return [] if "" in seen and self.script(_APPEARING, found) else [seen]

        [texts] = self.until(read, f"{selector} standing still")
        return texts

    def rows(self) -> list[str]:
        """The titles of the list from top to bottom."""
        return self.texts("#rows .c-title a")

    def actions(self) -> list[str]:
        """What the update box of a ticket offers, what stands behind its chevron included."""
        labels = (
            "return [...document.querySelectorAll('#update button[name=action]')].map((one) => one.textContent.trim())"
        )
        found: list[str] = self.script(labels)
        return found

    def script(self, code: str, *given: Any) -> Any:
        return self.chrome.execute_script(code, *given)

    def point_at(self, selector: str) -> None:
        self.one(selector).use(lambda found: ActionChains(self.chrome).move_to_element(found).perform())

    def click(self) -> None:
        """Where the pointer is."""
        ActionChains(self.chrome).click().perform()

    def press(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        for key in keys:
            ActionChains(self.chrome).send_keys(key).perform()

    def travel(self, key: str) -> None:
        """By `g` and a key, which count together within a second: again, where a slow machine took longer."""

        def there() -> bool:
            if urlsplit(self.chrome.current_url).path.endswith(PLACES[key]):
                return True
            self.press("g", key)
            return False

        self.until(there, PLACES[key])

    def focused(self) -> str:
        found: str = self.script("return document.activeElement.id || document.activeElement.tagName")
        return found

    def until(self, probe: Callable[[], T | None], what: str, within_s: float = 60.0) -> T:
        """The first value of `probe` that counts; an element that is replaced meanwhile is looked up again."""

        def steady() -> T | None:
            try:
                return probe()
            except StaleElementReferenceException:
                return None
            except WebDriverException as error:
                if _REPLACED in str(error.msg):
                    return None
                raise

        return eventually(steady, what, within_s)

    def mark(self) -> None:
        """Leaves a mark that a reload would wipe."""
        self.script("window.notReloaded = true")

    def reloaded(self) -> bool:
        return not self.script("return window.notReloaded === true")

    def complaints(self) -> list[str]:
        """What the browser itself found wrong since the last look: refused scripts, failed files, errors."""
        log = self.chrome.execute("getLog", {"type": "browser"})["value"]
        return [json.dumps(entry) for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def picture(self, path: Path) -> None:
        """What the window shows, in the format that the file's name asks for: `png` or `webp`."""
        taken = self.chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": path.suffix.removeprefix(".")})
        path.write_bytes(b64decode(taken["data"]))
