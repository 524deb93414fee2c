"""What the console takes from `FETTLE_*` beside what every service does."""

import json
from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from fettle_chassis.settings import ServiceSettings, ServiceUrl
from fettle_console.domain.origins import LOOPBACK
from fettle_console.domain.people import EMAIL, ClaimRules, grants
from fettle_console.domain.routing import Owner
from fettle_contracts.identity import OrgName


def _check_issuer(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError("must begin with https://")
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address without a query")
    return url


def _read_roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON like {"ops": "acme:operator"}') from None


def _check_roles(roles: dict[str, str]) -> dict[str, str]:
    for granted in roles.values():
        grants(granted)
    return roles


Issuer = Annotated[str, AfterValidator(_check_issuer)]
Roles = Annotated[dict[str, str], AfterValidator(_check_roles), BeforeValidator(_read_roles)]


class ConsoleSettings(ServiceSettings):
    """Settings of the console."""

    bootstrap_token: SecretStr | None = Field(default=None, min_length=16)
    """The installation's own token: it creates orgs and mints tokens in any org. None: nobody can."""

    demo_org: OrgName | None = None
    """Whoever opens the page may continue as an admin of this org. For demonstrations only."""

    public_url: str | None = None
    """How browsers reach the console (`https://fettle.example.com`); its origin is where writes may come from, and
    with https the session cookie travels only encrypted. None: as the request's own Host says."""

    oidc_issuer: Issuer | None = None
    """The OpenID provider that people sign in with, by its issuer as its own discovery document says it."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""
    oidc_scopes: str = "openid profile email"
    oidc_person_claim: str = EMAIL
    """What people are known by; `email` counts only with `email_verified`."""
    oidc_roles_claim: str = "groups"
    """Where the provider says what people may; `a.b` is also `b` inside `a`."""
    oidc_roles: Roles = Field(default_factory=dict)
    """JSON, by value of that claim what it stands for: `{"ops": "acme:operator globex:viewer"}`. Left out: the values
    are written so themselves."""

    tickets_url: ServiceUrl | None = None
    health_url: ServiceUrl | None = None
    workflows_url: ServiceUrl | None = None

    session_s: int = Field(default=14 * 86_400, ge=60)
    """How long a person stays signed in, unless the token that they came with ends earlier."""

    requests_per_s: float = Field(default=100, gt=0)
    requests_burst: int = Field(default=1_000, ge=1)
    """How many requests a second each token may send to this process, and how many at once after a pause."""

    @property
    def service_urls(self) -> Mapping[Owner, str]:
        """Where each service listens; by default beside the console."""
        return {
            Owner.TICKETS: self.tickets_url or self.beside(self.tickets_port),
            Owner.HEALTH: self.health_url or self.beside(self.health_port),
            Owner.WORKFLOWS: self.workflows_url or self.beside(self.workflows_port),
        }

    @property
    def claim_rules(self) -> ClaimRules:
        return ClaimRules(self.oidc_person_claim, self.oidc_roles_claim, self.oidc_roles)

    @property
    def cookie_name(self) -> str:
        """Cookies do not tell ports apart; two installations on one host must not sign each other's people out. Under
        https no other host of the domain can set it (RFC 6265bis, 4.1.3)."""
        return f"{'__Host-' if self.secure else ''}fettle_session_{self.http_port}"

    @property
    def secure(self) -> bool:
        return (self.public_url or "").startswith("https://")

    @model_validator(mode="after")
    def _provider_is_complete(self) -> Self:
        if bool(self.oidc_issuer) != bool(self.oidc_client_id):
            raise ValueError("FETTLE_OIDC_ISSUER and FETTLE_OIDC_CLIENT_ID go together")
        if self.oidc_issuer and not self.public_url:
            raise ValueError("FETTLE_OIDC_ISSUER needs FETTLE_PUBLIC_URL: where the provider sends people back to")
        if "openid" not in self.oidc_scopes.split():
            raise ValueError("FETTLE_OIDC_SCOPES must hold openid")
        return self
