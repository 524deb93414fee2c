"""Ports for one test after the other, and for those of other processes beside them."""

import subprocess
import sys

import pytest

from fettle_devstack import ports

OTHER = """
from fettle_devstack import ports
ports._ours = range(20_000, 20_000 + {of})
print(*(ports.free_port() for _ in range({count})), flush=True)
input()
"""


@pytest.mark.timeout(60)
def test_ports_do_not_run_out_and_the_last_ones_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ours", range(20_000, 20_600))
    given = [ports.free_port() for _ in range(1_200)]
    assert all(len({*given[start : start + 240]}) == 240 for start in range(0, 961, 60))


def test_no_two_processes_are_given_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", OTHER.format(of=600, count=200)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        monkeypatch.setattr(ports, "_ours", sorted(theirs) + [20_600 + number for number in range(3)])
        assert len(theirs) == 200
        assert not theirs & {ports.free_port() for _ in range(3)}
        other.communicate("\n")
