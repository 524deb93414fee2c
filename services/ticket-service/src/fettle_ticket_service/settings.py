"""What this service takes from its environment besides what every service takes."""

from typing import Annotated

from pydantic import Field

from fettle_chassis.settings import ServiceSettings


class TicketSettings(ServiceSettings):
    """`FETTLE_PUBLIC_URL` is where people reach the console; without it, the console's port on this machine."""

    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = None

    @property
    def console_url(self) -> str:
        """The beginning of every ticket's address."""
        return self.public_url or f"http://127.0.0.1:{self.http_port}"
