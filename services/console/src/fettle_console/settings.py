"""What the console takes from `FETTLE_*` beside what every service does."""

from collections.abc import Mapping

from pydantic import Field, SecretStr

from fettle_chassis.settings import ServiceSettings
from fettle_console.domain.routing import Owner
from fettle_contracts.identity import OrgName


class ConsoleSettings(ServiceSettings):
    """Settings of the console."""

    bootstrap_token: SecretStr | None = Field(default=None, min_length=16)
    """The installation's own token: it creates orgs and mints tokens in any org. None: nobody can."""

    demo_org: OrgName | None = None
    """Whoever opens the page may continue as an admin of this org. For demonstrations only."""

    public_url: str | None = None
    """How browsers reach the console (`https://fettle.example.com`); its origin is where writes may come from, and
    with https the session cookie travels only encrypted. None: as the request's own Host says."""

    tickets_url: str | None = None
    health_url: str | None = None
    workflows_url: str | None = None

    session_s: int = Field(default=14 * 86_400, ge=60)
    """How long a person stays signed in, unless the token that they came with ends earlier."""

    requests_per_s: float = Field(default=100, gt=0)
    requests_burst: int = Field(default=1_000, ge=1)
    """How many requests a second each token may send to this process, and how many at once after a pause."""

    @property
    def service_urls(self) -> Mapping[Owner, str]:
        """Where each service listens; by default beside the console."""
        host = "127.0.0.1" if self.http_host in ("0.0.0.0", "::") else self.http_host  # noqa: S104 - compared, not bound
        return {
            Owner.TICKETS: self.tickets_url or f"http://{host}:{self.tickets_port}",
            Owner.HEALTH: self.health_url or f"http://{host}:{self.health_port}",
            Owner.WORKFLOWS: self.workflows_url or f"http://{host}:{self.workflows_port}",
        }

    @property
    def cookie_name(self) -> str:
        """Cookies do not tell ports apart; two installations on one host must not sign each other's people out."""
        return f"fettle_session_{self.http_port}"

    @property
    def secure(self) -> bool:
        return (self.public_url or "").startswith("https://")
