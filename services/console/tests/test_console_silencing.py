"""How many devices the dialog for silencing an integration offers to take along."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from fettle_console.adapters.org_client import Answer, OrgClient
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

    query = staticmethod(OrgClient.query)

    def may(self, role: object) -> bool:
        return True

    async def get(self, *asked: Any) -> Mapping[str, Any]:
        return {"items": []}

    async def send(self, *asked: Any) -> Answer:
        return Answer(200, self._selected)


@pytest.mark.rule("AC-79")
@pytest.mark.parametrize("known", [0, 1])
async def test_it_offers_the_devices_whether_the_integration_itself_is_known_or_not(known: int) -> None:
    for devices in (0, 1, 12):
        found = await silencing_of(cast(Visit, Looking(devices, known)), "integration/hue-1")
        assert found is not None
        assert found.behind == devices
