"""Runs one server and ends it when the process that wanted it is gone, however that one ended.

Run by path as a script of its own, with the standard library only, so that it starts in a few hundredths of a second:

    python -I -S leash.py '{"argv": […], "cwd": …, "log": …, "uid": …, "gid": …, "stop_signal": 15, "grace_s": 20}'

Standard input is the leash: when it closes, or the parent process is no longer the one that started this script, the
server is stopped, by `stop_signal` and after `grace_s` by SIGKILL. Should this script itself be killed, Linux ends the
server. Standard output gets one line, `pid N` or `error TEXT`. The exit status is the server's.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.5


def die_with_parent(parent: int) -> None:
    """Asks Linux to kill the calling process when `parent` ends. Elsewhere nothing happens.

    Must come after a change of user, which clears the request.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def launch(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Starts the server in a session of its own, where a terminal's Ctrl-C does not reach it."""
    me = os.getpid()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=order["uid"],
            group=order["gid"],
            extra_groups=None if order["uid"] is None else [],
            preexec_fn=lambda: die_with_parent(me),
        )
    finally:
        os.close(log)


def hold(server: subprocess.Popen[bytes], parent: int, woken: int) -> None:
    """Returns when the server has ended, or nobody wants it any more."""
    while server.poll() is None and os.getppid() == parent:
        ready, _, _ = select.select([0, woken], [], [], _LOOK_EVERY_S)
        if woken in ready and signal.SIGTERM in os.read(woken, 512):
            return
        if 0 in ready and not os.read(0, 512):
            return


def end(server: subprocess.Popen[bytes], stop_signal: int, grace_s: float) -> None:
    """Stops the server if it still runs, wakes it first if it is paused, and kills what is left of its session."""
    if server.poll() is None:
        server.send_signal(stop_signal)
        server.send_signal(signal.SIGCONT)
        try:
            server.wait(grace_s)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def main() -> int:
    order = json.loads(sys.argv[1])
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = launch(order)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"error {error}", flush=True)
        return 1
    try:
        print(f"pid {server.pid}", flush=True)
        hold(server, order["parent"], woken)
    finally:
        end(server, order["stop_signal"], order["grace_s"])
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


if __name__ == "__main__":
    sys.exit(main())
