"""Each test of the client asks by both."""

import pytest
from small_api import Asynchronous, Client, Plain


@pytest.fixture(params=[Plain, Asynchronous], ids=["plain", "asynchronous"])
def client(request: pytest.FixtureRequest) -> Client:
    made: Client = request.param()
    return made
