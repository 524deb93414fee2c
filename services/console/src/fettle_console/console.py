"""What the entry points work with: everything that one console process has."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from fettle_console.adapters.answers import Answers
from fettle_console.adapters.audit import Audit
from fettle_console.adapters.bearers import Bearers
from fettle_console.adapters.dead_letter_box import DeadLetterBox
from fettle_console.adapters.documents import Documents
from fettle_console.adapters.heartbeat_log import HeartbeatLog
from fettle_console.adapters.live import Live
from fettle_console.adapters.members import Members
from fettle_console.adapters.names import Names
from fettle_console.adapters.orgs import Orgs
from fettle_console.adapters.provider import Provider
from fettle_console.adapters.seal import Seal
from fettle_console.adapters.services import Services
from fettle_console.adapters.sessions import Sessions
from fettle_console.adapters.tokens import Tokens
from fettle_console.domain.request_limit import RequestLimit
from fettle_console.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class Console:
    settings: ConsoleSettings
    bearers: Bearers
    tokens: Tokens
    orgs: Orgs
    answers: Answers
    audit: Audit
    sessions: Sessions
    members: Members
    names: Names
    provider: Provider | None
    """None: people sign in with tokens only."""
    flows: Seal
    """Signs what browsers keep of a sign-in that is under way."""
    services: Services
    documents: Documents
    dead_letters: DeadLetterBox
    heartbeats: HeartbeatLog
    live: Live
    request_limit: RequestLimit
    """Of each token, session and hook."""
    guess_limit: RequestLimit
    """Of each address, for API requests whose token does not count."""
    sign_in_limit: RequestLimit
    """Of each address, for tokens that do not sign in."""
    arrival_limit: RequestLimit
    """Of each address, for sign-ins that count, whichever way they come."""

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)


async def _console(request: Request) -> Console:
    found: Console = request.app.state.console
    return found


TheConsole = Annotated[Console, Depends(_console)]
"""The console that a request came to."""
