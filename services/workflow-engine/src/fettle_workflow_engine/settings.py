"""What this service takes from its environment besides what every service takes."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fettle_chassis.settings import ServiceSettings, ServiceUrl, read_keys
from fettle_chassis.signing import SigningKey
from fettle_workflow_engine.domain.destinations import Allowed


def _read_allowed(value: object) -> object:
    return Allowed.parse(value) if isinstance(value, str) else value


class WorkflowSettings(ServiceSettings):
    """`FETTLE_PUBLIC_URL` is where people reach the console; without it, the console's port on this machine.

    `FETTLE_TICKETS_URL` is where the ticket service listens; without it, beside this one. Tries on a ticket ask it.

    `FETTLE_WORKFLOW_ALLOW_HOSTS`: where calls may go besides public addresses: names, `*.` before one for all below it,
    addresses and networks, with commas between.
    `FETTLE_SECRET_KEYS`: what seals the orgs' secrets, as `FETTLE_SIGNING_KEYS` is written: newest first, and an older
    one may go once the log says that its secrets were sealed anew. Without it the installation keeps no secrets.
    """

    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    tickets_url: ServiceUrl | None = None
    secret_keys: Annotated[tuple[SigningKey, ...], BeforeValidator(read_keys)] = ()
    workflow_allow_hosts: Annotated[Allowed, BeforeValidator(_read_allowed)] = Allowed()

    @property
    def console_url(self) -> str:
        """The beginning of every ticket's address, without a slash at its end."""
        return (self.public_url or f"http://127.0.0.1:{self.http_port}").rstrip("/")

    @property
    def tickets_address(self) -> str:
        return self.tickets_url or self.beside(self.tickets_port)
