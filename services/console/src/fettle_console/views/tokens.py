"""API tokens as their page shows them."""

from dataclasses import dataclass
from datetime import datetime

from fettle_console.domain.credentials import Token
from fettle_contracts.roles import Role

ROLES = {
    Role.VIEWER: ("Viewer", "reads everything of the org"),
    Role.OPERATOR: ("Operator", "works tickets, silences, and tries workflows"),
    Role.ADMIN: ("Admin", "changes policies, workflows, secrets and tokens, too"),
    Role.INGEST: ("Ingest", "sends heartbeats and nothing else"),
}

LIVES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (366, "a year"))


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token without its text. `people` are signed in with it; `own` when the reader is one of them."""

    id: str
    name: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    ended: bool
    people: int
    own: bool

    @classmethod
    def of(cls, token: Token, now: datetime, people: int, reader: str) -> "ShownToken":
        return cls(
            id=token.id,
            name=token.name,
            role=ROLES[token.role][0],
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
            used_at=token.used_at,
            ended=not token.alive(now),
            people=people,
            own=token.caller().actor_id == reader,
        )

    @property
    def ends(self) -> str:
        """What revoking it ends, in a sentence."""
        if self.ended:
            return "It has ended by itself already; it only leaves the list."
        programs = "Whatever uses it is refused from now on."
        others = self.people - self.own
        if self.own:
            also = f" So {'is one other person' if others == 1 else f'are {others} others'}." if others else ""
            return f"{programs} You signed in with it, and will be signed out.{also}"
        if not others:
            return f"{programs} Nobody is signed in with it."
        return f"{programs} {'One person is' if others == 1 else f'{others} people are'} signed out with it."
