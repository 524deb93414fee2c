"""Which numbers were given, as openings on `ticket.events` tell a database that does not know."""

from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

from fettle_ticket_service.domain.chain import NOTHING, NUMBER, ChainKeys, number_text


class ToldOpening(Struct, frozen=True):
    """A ticket as the event of its opening told of it. `seal` None: from before openings vouched for numbers."""

    org: str
    ticket: UUID
    number: int
    seal: str | None


@dataclass(slots=True)
class GivenNumbers:
    """The highest number of each org among the openings taken. Anybody may write on the topic, so only what was made
    with a key counts; the highest of what was not is kept apart."""

    keys: ChainKeys
    vouched: dict[str, int] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)

    def take(self, opening: ToldOpening) -> None:
        text = number_text(opening.org, opening.ticket, opening.number)
        vouched = opening.seal is not None and self.keys.fits(opening.seal, NUMBER, NOTHING, text)
        highest = self.vouched if vouched else self.claimed
        highest[opening.org] = max(opening.number, highest.get(opening.org, 0))
