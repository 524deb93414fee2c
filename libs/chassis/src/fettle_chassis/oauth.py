"""Tokens for brokers that ask for OAUTHBEARER: the client credentials grant of RFC 6749, section 4.4."""

import asyncio
import base64
import json
import time
import urllib.request

from aiokafka.abc import AbstractTokenProvider

_RENEW_BEFORE_S = 60.0
_TIMEOUT_S = 10.0


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Gets tokens from `url` and keeps each until a minute before it ends. aiokafka calls `token` for every new
    connection; a failure there is a failed connection, which the client tries again."""

    def __init__(self, url: str, client_id: str, secret: str) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError("a token URL is http or https")
        self._url = url
        credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        self._token = ""
        self._ends = 0.0

    async def token(self) -> str:
        if time.monotonic() > self._ends - _RENEW_BEFORE_S:
            answer = await asyncio.to_thread(self._fetch)
            self._token = str(answer["access_token"])
            self._ends = time.monotonic() + float(str(answer.get("expires_in", 300)))
        return self._token

    def _fetch(self) -> dict[str, object]:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            self._url, data=b"grant_type=client_credentials", headers=self._headers
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            answer: dict[str, object] = json.load(response)
        return answer
