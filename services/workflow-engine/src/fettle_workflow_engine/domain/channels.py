"""Channels of an org: where messages go. What is secret in one is named, not written."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fettle_contracts.message import faults
from fettle_workflow_engine.domain.destinations import Barred, host_of
from fettle_workflow_engine.domain.secrets import NAME as SECRET_NAME

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
NAME_RULE = "a channel's name is 1 to 50 of a-z, 0-9, - and _, and begins with a letter or digit"
RECIPIENTS_LIMIT = 50

_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")


class Kind(StrEnum):
    """By what a channel sends."""

    EMAIL = "email"
    SLACK = "slack"
    TEAMS = "teams"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class ChannelRefused(Exception):
    """Settings that cannot work. `field` is where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def mail_address(text: str) -> str:
    """An address in its plain form, its domain in lower case. Raises ValueError."""
    mailbox, at, domain = text.strip().rpartition("@")
    if not at or not _MAILBOX.fullmatch(mailbox) or ".." in f".{mailbox}.":
        raise ValueError("must be a mail address like ann@acme.test")
    return f"{mailbox}@{mail_domain(domain)}"


def mail_domain(text: str) -> str:
    """Raises ValueError."""
    try:
        return host_of(text)
    except Barred:
        raise ValueError("must be a domain like acme.test") from None


Address = Annotated[str, Field(max_length=254), AfterValidator(mail_address)]
Domain = Annotated[str, Field(max_length=253), AfterValidator(mail_domain)]
Url = Annotated[str, Field(max_length=2_000, pattern=r"^https?://[^\s]+$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class SecretName(_Settings):
    """`{"secret": "name"}`: the value is among the org's secrets."""

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('names a secret of the org: {"secret": "name"}')
        return value

    secret: Annotated[str, Field(pattern=rf"^{SECRET_NAME.pattern}$")]


class EmailSettings(_Settings):
    """A mail server and whom to write to. `to` is for messages that name nobody; messages may name addresses under
    `allowed_domains`."""

    host: Domain
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=254)] | None = None
    password: SecretName | None = None
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[tuple[Address, ...], Field(max_length=RECIPIENTS_LIMIT)] = ()
    allowed_domains: Annotated[tuple[Domain, ...], Field(max_length=RECIPIENTS_LIMIT)] = ()

    @model_validator(mode="after")
    def _fits(self) -> "EmailSettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.username is not None and self.security == "none":
            raise ValueError("a password does not go over a connection without TLS")
        if not self.to and not self.allowed_domains:
            raise ValueError("to names nobody, and allowed_domains nobody that a message could name")
        return self


class ChatSettings(_Settings):
    """Slack's incoming webhook, or a Teams workflow's: whoever has the address may post."""

    url: SecretName


class WebhookSettings(_Settings):
    """A web server of one's own, told after Standard Webhooks. `key` names a secret `whsec_<base64>`."""

    url: Url | SecretName
    key: SecretName


class AppriseSettings(_Settings):
    """An address of Apprise's, for what it can send to."""

    url: SecretName


Settings: TypeAlias = EmailSettings | ChatSettings | WebhookSettings | AppriseSettings

_SETTINGS: Mapping[Kind, type[Settings]] = {
    Kind.EMAIL: EmailSettings,
    Kind.SLACK: ChatSettings,
    Kind.TEAMS: ChatSettings,
    Kind.WEBHOOK: WebhookSettings,
    Kind.APPRISE: AppriseSettings,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is kept. `hourly_cap` is how many messages it sends within any hour."""

    org: str
    name: str
    kind: Kind
    settings: Settings
    hourly_cap: int
    saved_at: datetime
    saved_by: str


def read_settings(kind: Kind, given: Mapping[str, Any]) -> Settings:
    """Raises ChannelRefused with the first fault."""
    try:
        return _SETTINGS[kind].model_validate(given)
    except ValidationError as error:
        fault = faults(error)[0]
        raise ChannelRefused(f"settings.{fault.field}".rstrip("."), fault.message) from None


def shown(settings: Settings) -> dict[str, Any]:
    """The settings as people wrote them, with what they left out."""
    return settings.model_dump(mode="json", by_alias=True)


def secrets_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each field that names a secret, with the secret's name."""
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if isinstance(value, SecretName):
            yield field, value.secret
