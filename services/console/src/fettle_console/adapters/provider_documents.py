"""What an OpenID provider says of itself: its discovery document and its keys, read over HTTP and remembered."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client

from fettle_console.domain.origins import LOOPBACK

REMEMBERED_S = 3600.0
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderAway(Exception):
    """The provider does not answer, or not as one; it may later."""


class ProviderDocuments:
    """Read again after an hour. Keys also when one is missing: providers change theirs without a word."""

    def __init__(self, client: AsyncOAuth2Client, issuer: str) -> None:
        self._client, self._issuer = client, issuer
        self._kept: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def about(self) -> Mapping[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, 4). Raises ProviderAway, also for one of another
        issuer, or one that would have codes and keys travel in the clear."""
        found = await self._read(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise ProviderAway(f"its document is that of the issuer {found.get('issuer')!r}")
        for name in _ENDPOINTS:
            if not is_safe(found.get(name)):
                raise ProviderAway(f"its {name} is {found.get(name)!r}, no https address")
        return found

    async def keys(self, *, newest: bool) -> list[dict[str, Any]]:
        """Its public keys for signatures, as JWKs. Raises ProviderAway."""
        uri = (await self.about())["jwks_uri"]
        if newest:
            self._kept.pop(uri, None)
        keys = (await self._read(uri)).get("keys") or []
        return [
            key
            for key in keys
            if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use") != "enc"
        ]

    async def _read(self, url: str) -> Mapping[str, Any]:
        kept = self._kept.get(url)
        if kept and time.monotonic() - kept[0] < REMEMBERED_S:
            return kept[1]
        try:
            answer = await self._client.request("GET", url, withhold_token=True)
            answer.raise_for_status()
            found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway(repr(error)) from error
        if not isinstance(found, dict):
            raise ProviderAway(f"{url} is no JSON object")
        self._kept[url] = (time.monotonic(), found)
        return found


def is_safe(url: object) -> bool:
    """Whether what goes to the address cannot be read on the way."""
    parts = urlsplit(url) if isinstance(url, str) else None
    return parts is not None and (parts.scheme == "https" or parts.hostname in LOOPBACK)
