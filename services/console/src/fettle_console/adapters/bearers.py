"""Who holds an API token: the step from an `Authorization` header to a bearer."""

import hmac
from datetime import datetime

from fettle_console.adapters.tokens import Tokens
from fettle_console.domain.credentials import Bearer, Installer, Token, hash_of


class Bearers:
    """Knows the tokens of orgs and the installation's own."""

    def __init__(self, tokens: Tokens, bootstrap_token: str | None) -> None:
        self._tokens = tokens
        self._bootstrap = hash_of(bootstrap_token) if bootstrap_token else None

    async def holder(self, text: str, now: datetime) -> Bearer | None:
        """Whom the token's text stands for; None when it is unknown, revoked or has ended."""
        if self._bootstrap and hmac.compare_digest(hash_of(text), self._bootstrap):
            return Installer()
        token = await self.token(text, now)
        return token.caller() if token else None

    async def token(self, text: str, now: datetime) -> Token | None:
        """The org token itself, under the same rule."""
        token = await self._tokens.by_hash(hash_of(text))
        return token if token and token.alive(now) else None
