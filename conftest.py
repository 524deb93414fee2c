"""Servers and isolated environments for every test of the tree."""

import signal

pytest_plugins = ["fettle_devstack.pytest_plugin"]

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:  # a run in the background: what it starts would be deaf as well
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
