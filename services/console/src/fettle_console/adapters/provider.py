"""The OpenID provider that people sign in with: authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

Authlib speaks to it; what of its answers counts is decided here, as Authlib by itself would not ask for our audience.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key
from joserfc.jws import JWSRegistry

from fettle_chassis.service import Part
from fettle_console.adapters.provider_documents import ProviderAway, ProviderDocuments, is_safe
from fettle_console.domain.flow import Flow
from fettle_console.settings import ConsoleSettings

CALLBACK = "/sign-in/provider/back"
_LEEWAY_S = 60
_TIMEOUT = httpx2.Timeout(10.0, connect=3.0)
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures that only the provider can make; `none` and those with a shared secret are not among them."""

log = structlog.get_logger(__name__)


class NotSignedIn(Exception):
    """The provider's answer lets nobody in. The text says why, for people."""


class CodeRefused(NotSignedIn):
    """The provider did not give out the code, or not for this sign-in."""


class Provider(Part):
    """One client of one provider. Its documents are read when the first person signs in, so that Fettle starts without
    it."""

    name = "provider"

    def __init__(self, issuer: str, settings: ConsoleSettings) -> None:
        self._issuer, self._client_id = issuer, settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._home = (settings.public_url or "").rstrip("/")

    @property
    def host(self) -> str:
        """What people know it by."""
        return urlsplit(self._issuer).netloc

    async def start(self) -> None:
        self._client = AsyncOAuth2Client(
            self._client_id,
            self._secret.get_secret_value() if self._secret else None,
            scope=self._scopes,
            redirect_uri=f"{self._home}{CALLBACK}",
            code_challenge_method="S256",
            timeout=_TIMEOUT,
        )
        self._documents = ProviderDocuments(self._client, self._issuer)

    async def stop(self) -> None:
        await self._client.aclose()

    async def entrance(self, flow: Flow) -> str:
        """Where to send the browser. Raises ProviderAway."""
        about = await self._documents.about()
        url, _ = self._client.create_authorization_url(
            about["authorization_endpoint"], state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
        )
        return str(url)

    async def exit(self, id_token: str | None) -> str | None:
        """Where to send the browser so that the person is signed out there too (OpenID Connect RP-Initiated Logout
        1.0), and from there back to us; None where the provider has no such place, or one in the clear, as the ID token
        goes along, or does not answer."""
        try:
            endpoint = (await self._documents.about()).get("end_session_endpoint")
        except ProviderAway:
            return None
        if not isinstance(endpoint, str) or not is_safe(endpoint):
            return None
        said = {"client_id": self._client_id, "post_logout_redirect_uri": f"{self._home}/sign-in"}
        return str(add_params_to_uri(endpoint, {**said, **({"id_token_hint": id_token} if id_token else {})}))

    async def claims(self, flow: Flow, code: str) -> tuple[Mapping[str, Any], str]:
        """Trades the code for what the provider says of the person, verified, and the token that says it.

        Raises NotSignedIn (CodeRefused too), ProviderAway.
        """
        about = await self._documents.about()
        methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth = None
        if self._secret and "client_secret_basic" not in methods and "client_secret_post" in methods:
            auth = self._client.client_auth("client_secret_post")
        try:
            answer = await self._client.fetch_token(
                about["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.verifier,
                **({"auth": auth} if auth else {}),
            )
        except OAuthError as error:
            log.warning("sign_in.code_refused", error=error.error, description=error.description)
            raise CodeRefused("it does not take the code that you came back with") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway(repr(error)) from error
        finally:
            self._client.token = None
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise NotSignedIn("it answered without an ID token")
        try:
            return await self._verified(id_token, answer.get("access_token"), flow, about), id_token
        except (JoseError, ValueError, TypeError) as error:
            log.warning("sign_in.token_refused", error=repr(error))
            raise NotSignedIn("what it says of you could not be verified") from None

    async def _verified(
        self, id_token: str, access_token: str | None, flow: Flow, about: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Signature, issuer, audience, times, nonce, authorized party and `at_hash` (OpenID Connect Core, 3.1.3.7)."""
        offered = about.get("id_token_signing_alg_values_supported") or ["RS256"]
        registry = JWSRegistry(algorithms=sorted(_ALGORITHMS.intersection(offered)), strict_check_header=False)
        try:
            token = jwt.decode(id_token, await self._keys(), registry=registry)
        except InvalidKeyIdError:
            token = jwt.decode(id_token, await self._keys(newest=True), registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": self._client_id},
                "sub": {"essential": True},
            },
            {"nonce": flow.nonce, "client_id": self._client_id, "access_token": access_token},
        )
        claims.validate(now=int(time.time()), leeway=_LEEWAY_S)
        return dict(claims)

    async def _keys(self, *, newest: bool = False) -> KeySet:
        return understood(await self._documents.keys(newest=newest))


def understood(keys: Sequence[Mapping[str, Any]]) -> KeySet:
    """Those of the keys that we can verify with: one that we do not know must keep nobody out (RFC 7517, 5)."""
    found = []
    for key in keys:
        try:
            found.append(import_key(dict(key)))
        except (JoseError, ValueError, TypeError, LookupError) as error:
            log.warning("sign_in.key_passed_over", kid=str(key.get("kid")), error=repr(error))
    return KeySet(found)
