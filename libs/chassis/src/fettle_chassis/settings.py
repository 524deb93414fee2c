"""Settings: everything a process takes from `FETTLE_*`, checked before anything else happens."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    model_validator,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from fettle_chassis.signing import SigningKey
from fettle_contracts.message import faults

DatabaseName = Literal["tickets", "health", "workflows", "console"]
Port = Annotated[int, Field(ge=0, le=65_535)]

_PREFIX = "FETTLE_"


class SettingsError(Exception):
    """A setting is missing or impossible. The text is one line that names the variable and never holds a secret."""


def read_keys(value: object) -> object:
    """Keys from the text that a setting holds; what is no text is left for the field to judge. ValueError."""
    return SigningKey.parse_all(value) if isinstance(value, str) else value


def _check_url(value: str) -> str:
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("must be a URL like postgresql://user:password@host:5432") from None
    if url.get_backend_name() != "postgresql":
        raise ValueError("must begin with postgresql://")
    return value


def _check_servers(value: str) -> str:
    for server in value.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError("must be host:port, several with commas between")
    return value


Servers = Annotated[str, AfterValidator(_check_servers)]
NamePrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")]
ServiceUrl = Annotated[str, Field(pattern=r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^?#\s]*)?$")]
"""Where a service of Fettle is reached."""
DatabaseUrl = Annotated[str, AfterValidator(_check_url)]


class ServiceSettings(BaseModel):
    """What every Fettle process understands. A service adds its own by subclassing; field `x_y` reads `FETTLE_X_Y`.

    Frozen. Built by `load`. A variable that is set to nothing counts as not set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka_bootstrap_servers: Servers
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """`SCRAM` means SCRAM-SHA-512."""
    kafka_sasl_username: str | None = None
    """For OAUTHBEARER the client's id."""
    kafka_sasl_password: SecretStr | None = None
    """For OAUTHBEARER the client's secret."""
    kafka_sasl_token_url: str | None = None
    """Where OAUTHBEARER gets its tokens (client credentials grant)."""
    kafka_ssl_ca: FilePath | None = None
    kafka_ssl_cert: FilePath | None = None
    kafka_ssl_key: FilePath | None = None
    kafka_replication_factor: Annotated[int, Field(ge=1)] | None = None
    """None: the broker's own default."""
    kafka_min_isr: Annotated[int, Field(ge=1)] | None = None
    """None: the broker's own default."""
    kafka_manage_topics: bool = True
    """Off: topics are checked only, and what is missing is printed."""
    topic_prefix: NamePrefix = "fettle."
    topic_partitions: Annotated[int, Field(ge=1)] | None = None
    """Overrides the table's default of 12 when topics are created (small installations, tests)."""
    group_prefix: NamePrefix = "fettle."

    database_url: DatabaseUrl | None = Field(default=None, repr=False)
    tickets_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    health_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    workflows_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    console_database_url: DatabaseUrl | None = Field(default=None, repr=False)

    signing_keys: Annotated[tuple[SigningKey, ...], BeforeValidator(read_keys), Field(min_length=1)]
    """Newest first: the first signs, all verify. `FETTLE_SIGNING_KEYS=id:base64,id2:base64`, 32 bytes or more each."""

    slot: Annotated[int, Field(ge=0)] | None = None
    """Static membership slot (a StatefulSet's ordinal). None: leased from the service's database."""

    http_host: Host = "127.0.0.1"
    http_port: Port = 8080
    tickets_port: Port = 8081
    health_port: Port = 8082
    workflows_port: Port = 8083
    judge_port: Port = 8084
    tickets_relay_port: Port = 8085

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings from a mapping of variables.

        Raises `SettingsError` whose text is one line naming every wrong variable; `process.run` turns it into exit
        status 2.
        """
        values = {name: environ[variable] for name in cls.model_fields if environ.get(variable := _variable(name))}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [f"{_variable(fault.field)} {fault.message}".strip() for fault in faults(error)]
            raise SettingsError("; ".join(lines)) from None

    def topic(self, name: str) -> str:
        """The topic's name on the broker: prefix + `name` of the topic table."""
        return self.topic_prefix + name

    def group(self, name: str) -> str:
        """The consumer group's name on the broker."""
        return self.group_prefix + name

    def beside(self, port: int) -> str:
        """The address of a service that runs beside this one and listens on `port`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_host, self.http_host)  # noqa: S104 - not bound
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def database_dsn(self, name: DatabaseName) -> str:
        """The URL of one service's database: its own setting, else `fettle_<name>` on the server of
        `FETTLE_DATABASE_URL`.

        Raises `SettingsError` naming the two variables if neither is set.
        """
        own: str | None = getattr(self, f"{name}_database_url")
        if own:
            return own
        if not self.database_url:
            raise SettingsError(f"{_PREFIX}DATABASE_URL or {_variable(f'{name}_database_url')} must be set")
        return make_url(self.database_url).set(database=f"fettle_{name}").render_as_string(hide_password=False)

    @model_validator(mode="after")
    def _security_is_complete(self) -> Self:
        sasl = self.kafka_security_protocol.startswith("SASL")
        if sasl and not (self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(
                f"{_PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs "
                f"{_PREFIX}KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
            )
        if self.kafka_sasl_mechanism and not sasl:
            raise ValueError(f"{_PREFIX}KAFKA_SASL_MECHANISM needs {_PREFIX}KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        if sasl and self.kafka_sasl_mechanism == "OAUTHBEARER" and not self.kafka_sasl_token_url:
            raise ValueError(f"{_PREFIX}KAFKA_SASL_MECHANISM=OAUTHBEARER needs {_PREFIX}KAFKA_SASL_TOKEN_URL")
        if bool(self.kafka_ssl_cert) != bool(self.kafka_ssl_key):
            raise ValueError(f"{_PREFIX}KAFKA_SSL_CERT and {_PREFIX}KAFKA_SSL_KEY go together")
        return self


def _variable(field: str) -> str:
    return f"{_PREFIX}{field.partition('.')[0].upper()}" if field else ""
