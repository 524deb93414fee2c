"""TCP ports of this machine."""

import atexit
import errno
import random
import socket
from collections import deque

from fettle_devstack.failures import PortTaken

_RANGE = range(20_000, 32_000)
"""Below the ports that Linux and macOS lend to outgoing connections, so that a server that stops can come back."""
_dice = random.SystemRandom()
_marks: deque[socket.socket] = deque(maxlen=240)
"""The same ports of UDP, by which all processes of this machine see which were given lately. Who was given an earlier
one is gone, or listens on it."""
_ours = _RANGE


def share_ports(which: int, of: int) -> None:
    """From now on `free_port` gives only every `of`-th port, so that as many processes never give the same one.

    `which` counts from 0.
    """
    global _ours
    _ours = _RANGE[which::of]


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def require_free(port: int, server: str, setting: str) -> None:
    """Raises `PortTaken` if nothing new could listen on the port."""
    if not is_free(port):
        raise PortTaken(server, port, setting)


def free_port() -> int:
    """A port that nobody listens on and that no process of this machine has been given lately."""
    while True:
        port = _dice.choice(_ours)
        if is_free(port) and _is_marked(port):
            return port


def _is_marked(port: int) -> bool:
    """Marks it as given, if nobody has."""
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    if len(_marks) == _marks.maxlen:
        _marks.popleft().close()
    _marks.append(mark)
    return True


@atexit.register
def _give_back() -> None:
    """All marks of this process, which would complain of them."""
    for mark in _marks:
        mark.close()
