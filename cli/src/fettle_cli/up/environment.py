"""What the services of one machine are told: the caller's own settings, and what they leave open."""

from collections.abc import Mapping
from pathlib import Path

from fettle_cli.installation import DEMO_ORG
from fettle_cli.up.secrets import bootstrap_token, secret_keys, signing_keys

_SECRET = ("PASSWORD", "TOKEN", "KEYS", "DATABASE_URL")


def service_environment(
    environ: Mapping[str, str], home: Path, servers: Mapping[str, str], ports: Mapping[str, str]
) -> dict[str, str]:
    """Every `FETTLE_*` setting for the services. `servers` leads to Kafka and Postgres; the caller's settings win."""
    own = {name: value for name, value in environ.items() if name.startswith("FETTLE_") and value}
    return {
        **servers,
        "FETTLE_DEMO_ORG": DEMO_ORG,
        "FETTLE_BOOTSTRAP_TOKEN": bootstrap_token(home),
        "FETTLE_SIGNING_KEYS": signing_keys(home),
        "FETTLE_SECRET_KEYS": secret_keys(home),
        **own,
        **ports,
        "FETTLE_HOME": str(home),
    }


def without_secrets(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that may stand in a file."""
    return {name: value for name, value in settings.items() if not name.endswith(_SECRET)}
