"""The console's own fixtures."""

from collections.abc import AsyncIterator

import pytest
from console_world import World, console_world


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    """A console with fake services, isolated."""
    async with console_world(environment) as started:
        yield started
