"""Servers and isolated environments for every test of the tree, and what holds after each of them."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["fettle_devstack.pytest_plugin"]

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:  # a run in the background: what it starts would be deaf as well
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# How long an example takes, or the making of one, tells of the machine and not of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def verdicts_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test with an installation of its own: each verdict has exactly one outcome or waits for it. A test
    that makes the monitor forget is marked `forgets`; servers that a test leaves dead tell nothing."""
    used = [name for name in ("environment", "own_environment") if name in request.fixturenames]
    installations = [request.getfixturevalue(name) for name in used]
    yield
    if not installations or request.node.get_closest_marker("forgets"):
        return
    from tests.verdict_books import check

    for name, environment in zip(used, installations, strict=True):
        try:
            check(environment)
        except ConnectionError:
            if name == "environment":
                raise
