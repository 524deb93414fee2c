"""Fettle's HTTP API for Python programs: `Fettle` for plain ones, `AsyncFettle` for asynchronous ones.

Answers are what the API sent, typed by the dicts in `fettle_client.shapes`. Whatever does not end well is a
`FettleError`. Importing this is quick: the HTTP library is imported with the first client.
"""

from fettle_client.asynchronous.client import AsyncFettle
from fettle_client.errors import BrokenOff, FettleError, Refused, Unreachable
from fettle_client.requests import Event
from fettle_client.synchronous.client import Fettle

__all__ = ["AsyncFettle", "BrokenOff", "Event", "Fettle", "FettleError", "Refused", "Unreachable"]
