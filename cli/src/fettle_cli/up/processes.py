"""The processes of one installation on one machine, and the ports they listen on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fettle_cli.failures import UsageError

HTTP_PORT = 8080


@dataclass(frozen=True, slots=True)
class Process:
    """One process: what Python is given to run, and which setting names its port (None: it listens on none)."""

    name: str
    arguments: tuple[str, ...]
    port_setting: str | None


SERVICES: tuple[Process, ...] = (
    Process(
        "console",
        (
            "-m",
            "fettle_console",
        ),
        "FETTLE_HTTP_PORT",
    ),
    Process(
        "tickets",
        (
            "-m",
            "fettle_ticket_service",
        ),
        "FETTLE_TICKETS_PORT",
    ),
    Process("correlator", ("-m", "fettle_health_monitor", "correlator"), "FETTLE_HEALTH_PORT"),
    Process(
        "workflows",
        (
            "-m",
            "fettle_workflow_engine",
        ),
        "FETTLE_WORKFLOWS_PORT",
    ),
    Process("judge", ("-m", "fettle_health_monitor", "judge"), "FETTLE_JUDGE_PORT"),
    Process("tickets-relay", ("-m", "fettle_ticket_service", "relay"), "FETTLE_TICKETS_RELAY_PORT"),
)
"""In the order of their ports: the console's own, then one more for each."""

SIMULATOR = Process("simulator", ("-m", "fettle_cli", "simulate", "demo", "--org", "demo"), None)

SHARED: tuple[str, ...] = (
    "alembic.command",
    "alembic.config",
    "asyncpg",
    "fettle_chassis.consume",
    "fettle_chassis.http",
    "fettle_chassis.logs",
    "fettle_chassis.process",
    "fettle_chassis.relay",
    "fettle_chassis.settings",
    "fettle_chassis.slots",
    "fettle_chassis.tokens",
    "fettle_contracts.health_policy",
    "fettle_contracts.registry",
    "httpx2",
    "jinja2",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.h11_impl",
)
"""What most services import. Nothing here may start a thread, open a connection or draw chance when it is imported."""


def port_settings(environ: Mapping[str, str], services: Sequence[Process] = SERVICES) -> dict[str, str]:
    """Every service's port by its setting: as set, else `FETTLE_HTTP_PORT` and the numbers after it.

    Raises UsageError for what is no port, or one port for two services.
    """
    first = _port("FETTLE_HTTP_PORT", environ.get("FETTLE_HTTP_PORT") or str(HTTP_PORT))
    ports: dict[str, str] = {}
    for place, service in enumerate(services):
        setting = str(service.port_setting)
        ports[setting] = str(_port(setting, environ.get(setting) or str(first + place)))
    for setting, port in ports.items():
        twin = next(other for other, theirs in ports.items() if theirs == port)
        if twin != setting:
            raise UsageError(f"{setting} and {twin} are both {port}; give each a port of its own")
    return ports


def _port(setting: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise UsageError(f"{setting} is {text!r}, not a port between 1 and 65535")
    return int(text)
