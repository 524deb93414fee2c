"""A person signs in by a Keycloak that others have written, and out again."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from fettle_devstack import DevstackSettings, Progress
from fettle_devstack.home import Home
from fettle_devstack.keycloak import EmbeddedKeycloak
from fettle_devstack.ports import free_port
from tests.conftest import running

PASSWORD, SECRET = "correct horse battery", "secret-of-fettle"


def realm(console: str) -> str:
    """A realm as one would set it up: a confidential client that must use PKCE, groups in the ID token, and Ann."""
    groups = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
    }
    client = {
        "clientId": "fettle",
        "secret": SECRET,
        "standardFlowEnabled": True,
        "redirectUris": [f"{console}/sign-in/provider/back"],
        "attributes": {"pkce.code.challenge.method": "S256", "post.logout.redirect.uris": f"{console}/sign-in"},
        "protocolMappers": [groups],
    }
    ann = {
        "username": "ann",
        "enabled": True,
        "email": "ann@acme.test",
        "emailVerified": True,
        "firstName": "Ann",
        "lastName": "Able",
        "groups": ["/ops"],
        "credentials": [{"type": "password", "value": PASSWORD}],
    }
    return json.dumps(
        {"realm": "fettle", "enabled": True, "groups": [{"name": "ops"}], "clients": [client], "users": [ann]}
    )


class Browser:
    """Follows no redirect by itself and sends each host its own cookies, those for https only too, as browsers do to
    127.0.0.1."""

    def __init__(self) -> None:
        self._http = httpx2.Client(timeout=60.0)
        self._cookies: dict[tuple[str, str], str] = {}

    def ask(self, method: str, url: str, **more: object) -> httpx2.Response:
        place = urlsplit(url)
        kept = "; ".join(f"{name}={value}" for (at, name), value in self._cookies.items() if at == place.netloc)
        headers = {"cookie": kept, "origin": f"{place.scheme}://{place.netloc}"}
        answer = self._http.request(method, url, headers=headers, **more)  # type: ignore[arg-type]
        self._http.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies.pop((place.netloc, name), None)
                if morsel.value and morsel["max-age"] != "0":
                    self._cookies[place.netloc, name] = morsel.value
        return answer

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.rule("AC-110", "AC-111", "AC-112", "AC-113")
def test_keycloak_lets_ann_in_and_out(environment: dict[str, str], tmp_path: Path, browser: Browser) -> None:
    console = f"http://127.0.0.1:{environment['FETTLE_HTTP_PORT']}"
    home = Home(tmp_path / "keycloak")
    provider = EmbeddedKeycloak(DevstackSettings.load(), home, free_port(), realm(console), Progress())
    issuer = f"{provider.url}/realms/fettle"
    settings = {
        "FETTLE_PUBLIC_URL": console,
        "FETTLE_OIDC_ISSUER": issuer,
        "FETTLE_OIDC_CLIENT_ID": "fettle",
        "FETTLE_OIDC_CLIENT_SECRET": SECRET,
        "FETTLE_OIDC_ROLES": '{"ops": "acme:operator"}',
    }
    try:
        provider.start()
        with running({**environment, **settings}, tmp_path) as installation:
            installation.create_org("acme")
            form = browser.ask("GET", _out(browser, console))
            action = html.unescape(re.search(r'action="([^"]+)"', form.text).group(1))  # type: ignore[union-attr]
            back = browser.ask("POST", action, data={"username": "ann", "password": PASSWORD})
            assert back.status_code == 302, back.text
            home_page = browser.ask("GET", back.headers["location"])
            assert (home_page.status_code, home_page.headers.get("location")) == (303, "/orgs/acme/tickets")
            shown = browser.ask("GET", f"{console}/orgs/acme/tickets").text
            assert "Ann Able" in shown
            assert "operator in acme" in shown

            leaving = browser.ask("POST", f"{console}/sign-out")
            way_out = html.unescape(re.search(r'<a href="([^"]+)"', leaving.text).group(1))  # type: ignore[union-attr]
            assert browser.ask("GET", way_out).headers["location"] == f"{console}/sign-in"
            assert browser.ask("GET", f"{console}/orgs/acme/tickets").status_code == 303
            again = browser.ask("GET", _out(browser, console))
            assert 'name="password"' in again.text, "the provider still knows who it is"
    finally:
        provider.stop()
        home.release()


def _out(browser: Browser, console: str) -> str:
    leaving = browser.ask("GET", f"{console}/sign-in/provider")
    assert leaving.status_code == 303, leaving.text
    return str(leaving.headers["location"])
