"""Who holds an API token: the step from an `Authorization` header to a bearer."""

import hmac
from datetime import datetime

from fettle_console.adapters.tokens import Tokens
from fettle_console.domain.credentials import Bearer, Installer, Token, hash_of
from fettle_contracts.roles import Caller


class Bearers:
    """Knows the tokens of orgs and the installation's own."""

    def __init__(self, tokens: Tokens, bootstrap_token: str | None) -> None:
        self._tokens = tokens
        self._bootstrap = hash_of(bootstrap_token) if bootstrap_token else None

    def counted(self, text: str, now: datetime) -> bool:
        """Whether the token is known to have counted, without a look-up: whoever holds it does not guess."""
        return self._is_installers(text) or self._tokens.counted(hash_of(text), now)

    async def holder(self, text: str, now: datetime) -> Bearer | None:
        """Whom the token's text stands for; None when it is unknown, revoked or has ended."""
        if self._is_installers(text):
            return Installer()
        token = await self.token(text, now)
        return token.caller() if token else None

    def ended(self, text: str) -> Caller | None:
        """Whom a token stood for that was looked up just now and did not count, if there is one: its time is over."""
        token = self._tokens.remembered(hash_of(text))
        return token.caller() if token else None

    async def token(self, text: str, now: datetime) -> Token | None:
        """The org token itself, under the same rule. That it was used is noted now and then."""
        token_hash = hash_of(text)
        token = await self._tokens.by_hash(token_hash)
        if token is None or not token.alive(now):
            return None
        await self._tokens.used(token_hash, token, now)
        return token

    def _is_installers(self, text: str) -> bool:
        return self._bootstrap is not None and hmac.compare_digest(hash_of(text), self._bootstrap)
