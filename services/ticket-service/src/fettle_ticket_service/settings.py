"""What this service takes from its environment besides what every service takes."""

import hmac
from typing import Annotated

from pydantic import Field

from fettle_chassis.settings import ServiceSettings
from fettle_ticket_service.domain.chain import ChainKeys


class TicketSettings(ServiceSettings):
    """`FETTLE_PUBLIC_URL` is where people reach the console; without it, the console's port on this machine."""

    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = None

    @property
    def console_url(self) -> str:
        """The beginning of every ticket's address."""
        return self.public_url or f"http://127.0.0.1:{self.http_port}"

    @property
    def chain_keys(self) -> ChainKeys:
        """Made of the signing keys, so that no hash is a signature and no signature a hash."""
        return ChainKeys({key.id: _chain_secret(key.secret) for key in self.signing_keys})


def _chain_secret(secret: bytes) -> bytes:
    return hmac.digest(secret, b"fettle ticket chains", "sha256")
