"""Where a benchmark runs: on servers of its own, that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fettle_devstack.isolation import discard, isolated
from fettle_devstack.pytest_plugin import own_pair


@contextmanager
def own_servers(partitions: int) -> Iterator[dict[str, str]]:
    """The environment of an installation whose topics have so many partitions."""
    with own_pair(Path(__file__).parent.parent, os.environ) as servers:
        environment = isolated(servers, partitions)
        try:
            yield environment
        finally:
            discard(servers, environment)
