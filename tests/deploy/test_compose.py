"""The compose file: fit for its schema, and in agreement with the services and with what the tests run on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from tools.bootstrap import ROOT

from fettle_chassis.settings import ServiceSettings
from fettle_console.settings import ConsoleSettings
from fettle_devstack.containers import KAFKA_IMAGE, POSTGRES_IMAGE
from fettle_health_monitor.settings import HealthSettings
from fettle_ticket_service.settings import TicketSettings
from fettle_workflow_engine.settings import WorkflowSettings
from tests.installation import SERVICES

COMPOSE = ROOT / "deploy" / "compose.yaml"
GIVEN = {
    "POSTGRES_PASSWORD": "secret",
    "FETTLE_SIGNING_KEYS": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "FETTLE_BOOTSTRAP_TOKEN": "0123456789abcdef",
}
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "fettle_console": ConsoleSettings,
    "fettle_ticket_service": TicketSettings,
    "fettle_health_monitor": HealthSettings,
    "fettle_workflow_engine": WorkflowSettings,
}
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})")
PROCESSES = tuple(SERVICES)


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """The file as Compose reads it: `${NAME:-default}`, `${NAME:?message}`, `$$`."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        found = given.get(match["name"])
        if found:
            return found
        assert match["kind"] == "-", f"{match['name']} must be given: {match['word']}"
        return match["word"]

    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(VARIABLE.sub(value, line) for line in lines)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE.read_text(), GIVEN))
    return found


def environment_of(compose: Mapping[str, Any], process: str) -> dict[str, str]:
    found: dict[str, str] = compose["services"][process]["environment"]
    return found


def settings_of(compose: Mapping[str, Any], process: str) -> ServiceSettings:
    return SETTINGS[SERVICES[process][0][0]].load(environment_of(compose, process))


@pytest.mark.rule("OP-18")
def test_it_fits_the_schema_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "-o", "json"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["status"] == "ok"


@pytest.mark.rule("OP-18")
@pytest.mark.parametrize("name", sorted(GIVEN))
def test_what_must_not_have_a_default_has_none(name: str) -> None:
    with pytest.raises(AssertionError, match=f"{name} must be given"):
        interpolated(COMPOSE.read_text(), {**GIVEN, name: ""})


@pytest.mark.rule("OP-18")
def test_it_runs_every_process_and_nothing_else(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"kafka", "postgres", *PROCESSES}
    for process, (words, _) in SERVICES.items():
        assert services[process]["command"] == ["python", "-m", *words]


@pytest.mark.rule("OP-18")
@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_is_one_that_the_process_knows(compose: dict[str, Any], process: str) -> None:
    known = {f"FETTLE_{name.upper()}" for name in SETTINGS[SERVICES[process][0][0]].model_fields}
    mine = {name for name in environment_of(compose, process) if name.startswith("FETTLE_")}
    assert mine - known == set()
    assert settings_of(compose, process).database_url == "postgresql://fettle:secret@postgres:5432"


@pytest.mark.rule("OP-18")
@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_is_asked_where_it_listens(compose: dict[str, Any], process: str) -> None:
    settings = settings_of(compose, process)
    port = getattr(settings, SERVICES[process][1].removeprefix("FETTLE_").lower())
    host = "127.0.0.1" if settings.http_host == "0.0.0.0" else settings.http_host
    assert host in ("127.0.0.1", process)
    assert environment_of(compose, process)["HEALTHCHECK_URL"] == f"http://{host}:{port}/readyz"


@pytest.mark.rule("OP-18")
def test_the_services_are_found(compose: dict[str, Any]) -> None:
    for name, process in (("TICKETS", "tickets"), ("HEALTH", "correlator"), ("WORKFLOWS", "workflows")):
        port = environment_of(compose, process)["HEALTHCHECK_URL"].rpartition(":")[2].partition("/")[0]
        assert environment_of(compose, "console")[f"FETTLE_{name}_URL"] == f"http://{process}:{port}"
    assert environment_of(compose, "workflows")["FETTLE_TICKETS_URL"] == "http://tickets:8081"


@pytest.mark.rule("OP-18")
def test_what_people_are_told_of_tickets_is_told_the_same_by_all(compose: dict[str, Any]) -> None:
    knowing = {"console", "tickets", "workflows"}
    assert {environment_of(compose, process)["FETTLE_PUBLIC_URL"] for process in knowing} == {"http://127.0.0.1:8080"}


@pytest.mark.rule("OP-18", "AC-116")
def test_the_console_can_be_told_which_proxy_to_believe(compose: dict[str, Any]) -> None:
    told = interpolated(COMPOSE.read_text(), {**GIVEN, "FORWARDED_ALLOW_IPS": "172.16.0.0/12"})
    assert environment_of(compose, "console")["FORWARDED_ALLOW_IPS"] == "127.0.0.1"
    assert environment_of(yaml.safe_load(told), "console")["FORWARDED_ALLOW_IPS"] == "172.16.0.0/12"


@pytest.mark.rule("OP-18")
def test_the_servers_are_the_ones_that_the_tests_run_on(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["kafka"]["image"] == KAFKA_IMAGE
    assert services["postgres"]["image"] == POSTGRES_IMAGE
    for server in ("kafka", "postgres"):
        assert services[server]["healthcheck"]["test"][0] == "CMD"
        (volume,) = services[server]["volumes"]
        assert volume.partition(":")[0] in compose["volumes"]


@pytest.mark.rule("OP-18")
@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_starts_after_its_servers_and_cannot_change_its_image(compose: dict[str, Any], process: str) -> None:
    service = compose["services"][process]
    assert {name: how["condition"] for name, how in service["depends_on"].items()} == {
        "kafka": "service_healthy",
        "postgres": "service_healthy",
    }
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
