"""Logs of services under test are one line per event."""

import pytest

from fettle_chassis.logs import configure_logging


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    configure_logging("test")
