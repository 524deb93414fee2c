"""Settings: everything a process takes from `FETTLE_*`, checked before anything else happens."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NoReturn, Self

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from fettle_chassis.signing import SigningKey

DatabaseName = Literal["tickets", "health", "workflows", "console"]


class ServiceSettings(BaseSettings):
    """What every Fettle process understands. A service adds its own by subclassing; field `x_y` reads `FETTLE_X_Y`.

    Frozen. Built by `load`, from a mapping, never by reading `os.environ` behind the caller's back.
    """

    model_config = SettingsConfigDict(env_prefix="FETTLE_", frozen=True, extra="ignore")

    kafka_bootstrap_servers: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_sasl_token_url: str | None = None
    kafka_ssl_ca: Path | None = None
    kafka_ssl_cert: Path | None = None
    kafka_ssl_key: Path | None = None
    kafka_replication_factor: int | None = None
    """None: the broker's own default."""
    kafka_min_isr: int | None = None
    """None: the broker's own default."""
    kafka_manage_topics: bool = True
    topic_prefix: str = "fettle."
    topic_partitions: int | None = None
    """Overrides the table's default partition counts when topics are created (small test installations)."""
    group_prefix: str = "fettle."

    database_url: str | None = None
    tickets_database_url: str | None = None
    health_database_url: str | None = None
    workflows_database_url: str | None = None
    console_database_url: str | None = None

    signing_keys: tuple[SigningKey, ...]
    """Newest first: the first signs, all verify. `FETTLE_SIGNING_KEYS=id:base64,id2:base64`, at least 32 bytes each."""

    slot: int | None = None
    """Static membership slot (a StatefulSet's ordinal). None: leased from the service's database."""

    http_host: str = "127.0.0.1"
    http_port: int = 8080
    tickets_port: int = 8081
    health_port: int = 8082
    workflows_port: int = 8083
    judge_port: int = 8084
    tickets_relay_port: int = 8085

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings from a mapping of variables.

        Raises `SettingsError` whose text is one line naming every wrong variable; `service.run` turns it into exit
        status 2. Never logs or shows a secret.
        """
        raise NotImplementedError

    def topic(self, name: str) -> str:
        """The topic's name on the broker: prefix + `name` of the topic table."""
        return self.topic_prefix + name

    def group(self, name: str) -> str:
        """The consumer group's name on the broker."""
        return self.group_prefix + name

    def database_dsn(self, name: DatabaseName) -> str:
        """The URL of one service's database: its own setting, else `FETTLE_DATABASE_URL` + `/fettle_<name>`.

        Raises `SettingsError` naming the two variables if neither is set.
        """
        raise NotImplementedError


class SettingsError(Exception):
    """A setting is missing or impossible. The text is one line that names the variable and never holds a secret."""
