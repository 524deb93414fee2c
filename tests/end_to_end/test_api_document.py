"""The whole API is asked by a stranger who knows nothing but its OpenAPI document: Schemathesis, in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.isolation_words import flow
from tests.installation import Installation, OrgApi

ROOT = Path(__file__).parents[2]
SETTINGS = """\
request-timeout = 30
continue-on-failure = true

[parameters]
"path.org" = "acme"

[generation]
database = "none"

# Schemas do not know a domain's rules, and what one request makes another may have ended.
[checks]
positive_data_acceptance.enabled = false
use_after_free.enabled = false
ensure_resource_availability.enabled = false
object_level_authorization.enabled = false
allow_header_conformance.enabled = false

# Both read a shard's log again, and are refused while two others do.
[[operations]]
include-path-regex = "/(why|verify)$"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]

# Any bytes are a text to begin with: what is wrong with a line is said line by line.
[[operations]]
include-path-regex = "/(heartbeats|import)$"
checks.negative_data_rejection.enabled = false

# The path is also that of a ticket whose number is no number.
[[operations]]
include-path-regex = "/tickets/bulk$"
checks.unsupported_method.enabled = false

# It does not end.
[[operations]]
include-path-regex = "/events$"
enabled = false

# Nothing would be left to ask.
[[operations]]
include-name = "DELETE /api/v1/orgs/{org}"
enabled = false
"""


@pytest.fixture
def asked(environment: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    unlimited = {"FETTLE_REQUESTS_PER_S": "100000", "FETTLE_REQUESTS_BURST": "100000"}
    installation = Installation({**environment, **unlimited}, tmp_path)
    try:
        installation.start()
        installation.wait_ready()
        yield installation
    finally:
        installation.stop()


def live(api: OrgApi) -> None:
    """Something of everything, so that there is what to ask about."""
    subject = {"type": "device", "id": "t17", "name": "Thermostat 17"}
    for number in range(3):
        opened = api.post(
            "/tickets", {"title": "Noise", "subject": subject, "space": "oslo/hq", "dedup_key": f"{number}"}
        )
        assert opened.status_code == 201
    api.post("/tickets/1/comments", {"comment": "Seen."}).raise_for_status()
    api.put("/subjects/device/t17", {"name": "Thermostat 17", "integration": "hue-1"}).raise_for_status()
    api.post("/silences", {"subject": "device/t17", "length_s": 3600}).raise_for_status()
    api.post_yaml("/workflows", flow("noted", "Noted", enabled=True)).raise_for_status()


def ask(installation: Installation, folder: Path, *options: str, within_s: float) -> None:
    """Raises AssertionError with all that Schemathesis has found: the request, the answer, and why it is wrong. Asks
    the ticket service and the others side by side: in one process its threads trip over CPython 3.11."""
    api = installation.create_org("acme", {"enabled": True, "timeout_s": 86_400})
    live(api)
    [own] = [each["id"] for each in api.get("/tokens")["items"]]
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"),
        *(f"{installation.url}/api/openapi.json", "--header", f"Authorization: Bearer {api.token}"),
        *("--no-color", "--warnings", "off", "--output-truncate", "false", *options),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.end_to_end.api_hooks", "PYTHONPATH": str(ROOT), "ASKING_TOKEN_ID": own}
    environment = {**os.environ, **hooks}

    def run(which: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, which, "/ticket"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )

    with ThreadPoolExecutor() as pool:
        told = list(pool.map(run, ("--include-path-regex", "--exclude-path-regex")))
    for said in told:
        print(said.stdout)
        assert said.returncode == 0, said.stdout[-20_000:]
    assert api.get("/tokens")["items"], "whoever asked has lost its token"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.rule("AC-42", "TS-82", "AC-8")
def test_answers_are_as_the_document_says(asked: Installation, tmp_path: Path) -> None:
    phases = ("--phases", "examples,coverage,fuzzing")
    ask(asked, tmp_path, *phases, "--seed", "7", "--max-examples", "3", within_s=750)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("AC-42", "TS-82", "AC-8")
def test_answers_are_as_the_document_says_for_long(asked: Installation, tmp_path: Path) -> None:
    ask(asked, tmp_path, "--max-examples", "1000", "--max-time", "3600", within_s=7000)
