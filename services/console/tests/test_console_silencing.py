"""How many devices the dialog for silencing an integration offers to take along."""

from typing import Any, cast

import pytest

from fettle_client.asynchronous.pages import AsyncPages
from fettle_client.requests import Request
from fettle_console.entrypoints.pages.silences import silencing_of
from fettle_console.entrypoints.pages.visits import Visit


class Looking:
    """An operator of an org whose health monitor selects so many devices and integrations."""

    def __init__(self, devices: int, integrations: int) -> None:
        self.client = self
        self._selected = {
            "count": devices + integrations,
            "preview": {"devices": devices, "integrations": integrations},
        }

    def may(self, role: object) -> bool:
        return True

    def list_silences(self, **asked: Any) -> AsyncPages[Any]:
        async def nothing(_: Request) -> Any:
            return {"items": [], "next_cursor": None}

        return AsyncPages(nothing, Request("GET", "silences"))

    async def silence_selection(self, length_s: int, **asked: Any) -> Any:
        return self._selected


@pytest.mark.rule("AC-79")
@pytest.mark.parametrize("known", [0, 1])
async def test_it_offers_the_devices_whether_the_integration_itself_is_known_or_not(known: int) -> None:
    for devices in (0, 1, 12):
        found = await silencing_of(cast(Visit, Looking(devices, known)), "integration/hue-1")
        assert found is not None
        assert found.behind == devices
