"""Servers and isolated environments for every test of the tree."""

pytest_plugins = ["fettle_devstack.pytest_plugin"]
