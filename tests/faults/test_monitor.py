"""The health monitor with all that it does (shared tickets, silences, lost heartbeats) while its parts are broken.

The seed of each run is printed; `FETTLE_TEST_SEED` repeats it. `make campaign` inflicts every fault in turn, several
times over.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from fettle_devstack import Servers
from fettle_devstack.isolation import isolated
from tests.faults.inflicted import CORRELATORS, JUDGES, VISITOR, Faults
from tests.faults.observed import check_gaps, check_transitions
from tests.faults.stories import Stories
from tests.installation import Installation
from tests.verdict_books import check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PARTITIONS = 4
TURNS = int(os.environ.get("FETTLE_TEST_TURNS") or 0)
"""More than none: the long form, in which there are two correlators as well."""


@pytest.fixture
def seed() -> int:
    value = int(os.environ.get("FETTLE_TEST_SEED") or secrets.randbits(32))
    print(f"FETTLE_TEST_SEED={value}")
    return value


@pytest.fixture
def monitored(own_servers: Servers, tmp_path: Path) -> Iterator[Installation]:
    """With two judges, and a third one that comes and goes."""
    installation = Installation(isolated(own_servers, PARTITIONS), tmp_path)
    try:
        for name in (*JUDGES[1:], VISITOR):
            installation.replicate("judge", name)
        for name in CORRELATORS[1:]:
            installation.replicate("correlator", name)
        installation.start()
        installation.start(*JUDGES[1:], *(CORRELATORS[1:] if TURNS else ()))
        installation.wait_ready()
        yield installation
    finally:
        installation.stop()


@pytest.mark.rule("HM-236", "HM-85", "OP-92")
def test_whatever_is_broken_there_are_the_right_tickets_and_no_other(
    own_servers: Servers, monitored: Installation, seed: int
) -> None:
    """In short: one fault of the judges, one of the broker, and one of the rest, for five seconds each."""
    for turn in range(TURNS or 1):
        dice = random.Random(seed + turn)
        faults = Faults(own_servers, monitored, dice, hold_s=8 if TURNS else 5)
        names = faults.all if TURNS else [dice.choice(some) for some in faults.by_part]
        with Stories.of(monitored, f"turn{turn}", dice, spread_s=len(names) * 4) as stories:
            stories.begin()
            for name in dice.sample(names, len(names)):
                faults.inflict(name)
            monitored.wait_ready()
            stories.check()
    print(f"holes: {check_gaps(monitored)}; transitions: {check_transitions(monitored)}")
    check(monitored.environment)
