"""One installation per test module; orgs keep its tests apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation


@contextlib.contextmanager
def running(environment: dict[str, str], folder: Path) -> Iterator[Installation]:
    """An installation that is ready, and stopped afterwards whatever happens."""
    installation = Installation(environment, folder)
    try:
        installation.start()
        installation.wait_ready()
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def installation(environment: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    with running(environment, tmp_path) as started:
        yield started


@pytest.fixture
def own_installation(own_environment: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    """An installation on servers that the test may stop and hang."""
    with running(own_environment, tmp_path) as started:
        yield started
