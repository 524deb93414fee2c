"""An OpenID provider on real HTTP that lets in whom a test says, and lies as a test asks it to."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import escape
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from fettle_chassis.http import HttpServer

CLIENT, SECRET = "fettle", "secret-of-the-client-with-/-and-+"
ANN: dict[str, Any] = {
    "sub": "17",
    "email": "Ann@acme.test",
    "email_verified": True,
    "name": "Ann",
    "groups": ["acme:operator"],
}

Claims = dict[str, Any]


@cache
def key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


@dataclass
class Provider:
    """What it says of who comes is `person`; `lie` changes the claims of the token, `signed_by` who signs it."""

    port: int = 0
    person: Claims = field(default_factory=lambda: dict(ANN))
    lie: Callable[[Claims], Claims] = lambda claims: claims
    signed_by: Callable[["Provider", Claims], str] | None = None
    kid: str = "first"
    about: Claims = field(default_factory=dict)
    """What its discovery document says beside, or instead of, the truth."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Paths in order."""
    asks: bool = False
    """Whether it asks a person whom it does not know yet who they are, instead of letting them in."""
    knows: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/test"

    def forget(self) -> None:
        fresh = Provider()
        self.person, self.lie, self.signed_by, self.about = fresh.person, fresh.lie, None, {}
        self.asks = self.knows = False
        self.asked.clear()

    def token(self, claims: Claims) -> str:
        if self.signed_by is not None:
            return self.signed_by(self, claims)
        return jwt.encode({"alg": "ES256", "kid": self.kid}, claims, key(self.kid), algorithms=["ES256"])

    def claims(self, code: dict[str, str]) -> Claims:
        now = int(time.time())
        said = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": code["nonce"], **self.person}
        return self.lie(said)


def with_shared_secret(_: Provider, claims: Claims) -> str:
    """Signed with what a client that reads the algorithm from the token would take for a key."""
    secret = OctKey.import_key(SECRET.ljust(32, "="))
    return jwt.encode({"alg": "HS256"}, claims, secret, algorithms=["HS256"])


def unsigned(_: Provider, claims: Claims) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


def by_a_stranger(provider: Provider, claims: Claims) -> str:
    """Under the name of the provider's key."""
    return jwt.encode({"alg": "ES256", "kid": provider.kid}, claims, key("stranger"), algorithms=["ES256"])


_WHO = """
<!doctype html><title>Who are you?</title><link rel="icon" href="data:,"><h1>Who are you?</h1>
<p><a id="yes" href="?{said}&amp;sure=yes">{name}</a> <a id="no" href="?{said}&amp;sure=no">Nobody</a></p>
"""


def _app(provider: Provider) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def noted(request: Request, call_next: Any) -> Any:
        provider.asked.append(request.url.path.removeprefix("/realms/test"))
        return await call_next(request)

    @app.get("/realms/test/.well-known/openid-configuration")
    async def about() -> dict[str, Any]:
        return {
            "issuer": provider.url,
            "authorization_endpoint": f"{provider.url}/authorize",
            "token_endpoint": f"{provider.url}/token",
            "jwks_uri": f"{provider.url}/keys",
            "end_session_endpoint": f"{provider.url}/exit",
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            **provider.about,
        }

    @app.get("/realms/test/keys")
    async def keys() -> dict[str, Any]:
        return {"keys": [key(provider.kid).as_dict(private=False)]}

    @app.get("/realms/test/authorize")
    async def authorize(
        request: Request,
        client_id: str,
        redirect_uri: str,
        response_type: str,
        scope: str,
        state: str,
        nonce: str,
        code_challenge: str,
        code_challenge_method: str,
        sure: str = "",
    ) -> Response:
        assert (client_id, response_type, code_challenge_method) == (CLIENT, "code", "S256")
        assert "openid" in scope.split()
        if provider.asks and not provider.knows and not sure:
            return HTMLResponse(_WHO.format(said=escape(request.url.query), name=escape(provider.person["name"])))
        if sure == "no":
            return RedirectResponse(f"{redirect_uri}?{urlencode({'error': 'access_denied', 'state': state})}", 303)
        provider.knows = True
        code = f"code-{len(provider.codes)}"
        provider.codes[code] = {"redirect_uri": redirect_uri, "nonce": nonce, "challenge": code_challenge}
        back = {"code": code, "state": state, "iss": provider.url}
        return RedirectResponse(f"{redirect_uri}?{urlencode(back)}", 303)

    @app.get("/realms/test/exit")
    async def exit(post_logout_redirect_uri: str) -> RedirectResponse:
        provider.knows = False
        return RedirectResponse(post_logout_redirect_uri, 303)

    @app.post("/realms/test/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        code = provider.codes.pop(form["code"], None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        basic = request.headers.get("authorization", "")
        known = base64.b64decode(basic.removeprefix("Basic ")).decode() == f"{CLIENT}:{SECRET}"
        fits = code is not None and (code["redirect_uri"], code["challenge"]) == (
            form["redirect_uri"],
            verifier.decode(),
        )
        if not known or not fits or code is None:
            return JSONResponse({"error": "invalid_client" if not known else "invalid_grant"}, 400)
        answer = {"access_token": "at", "token_type": "Bearer", "expires_in": 300}
        return JSONResponse({**answer, "id_token": provider.token(provider.claims(code))})

    return app


@asynccontextmanager
async def running_provider() -> AsyncIterator[Provider]:
    provider = Provider()
    server = HttpServer(_app(provider), "127.0.0.1", 0)
    await server.start()
    provider.port = server.port
    try:
        yield provider
    finally:
        await server.stop()


@contextmanager
def providing() -> Iterator[Provider]:
    """The same beside a test that has no loop."""
    loop, running = asyncio.new_event_loop(), running_provider()
    thread = Thread(target=loop.run_forever, name="provider", daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
