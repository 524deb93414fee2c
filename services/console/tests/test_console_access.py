"""Who is let in: tokens, roles, orgs, and where a browser's write comes from."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.tokens import Caller, Role
from fettle_console.domain.access import Admitted, Forbidden, Hidden, administer, enter, found
from fettle_console.domain.credentials import Installer, Token, hash_of, token_text
from fettle_console.domain.origins import refused_because

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
roles = st.sampled_from(Role)


def holder(role: Role, org: str = "acme") -> Caller:
    return Caller(org=org, role=role, actor_id="token/1", actor_name="Ann")


@pytest.mark.rule("AC-1")
def test_a_token_is_256_random_bits_and_only_its_hash_is_kept() -> None:
    text = token_text(bytes(range(32)))
    assert text.startswith("ftl_")
    assert len(text) == 4 + 43
    assert hash_of(text) == hashlib.sha256(text.encode()).hexdigest()
    with pytest.raises(ValueError, match="32 random bytes"):
        token_text(b"short")


@pytest.mark.rule("AC-1")
def test_a_token_ends_at_its_expiry() -> None:
    token = Token("1", "acme", Role.VIEWER, "Ann", NOW, NOW + timedelta(seconds=1), "installation")
    assert token.alive(NOW)
    assert not token.alive(NOW + timedelta(seconds=1))


@pytest.mark.rule("AC-2")
@given(role=roles, needed=roles)
def test_another_org_looks_like_none_whatever_the_role(role: Role, needed: Role) -> None:
    assert enter(holder(role), "other", needed) == Hidden()
    assert administer(holder(role), "other") == Hidden()


@pytest.mark.rule("AC-3")
@given(role=roles, needed=roles)
def test_in_its_own_org_a_token_may_what_its_role_covers(role: Role, needed: Role) -> None:
    answer = enter(holder(role), "acme", needed)
    assert isinstance(answer, Admitted if role.covers(needed) else Forbidden)
    if isinstance(answer, Forbidden):
        assert needed.value in answer.message


@pytest.mark.rule("AC-3")
def test_only_admins_administer_tokens() -> None:
    allowed = [role for role in Role if isinstance(administer(holder(role), "acme"), Admitted)]
    assert allowed == [Role.ADMIN]


@pytest.mark.rule("AC-7")
def test_the_installations_token_makes_orgs_and_tokens_and_nothing_else() -> None:
    assert isinstance(found(Installer()), Admitted)
    assert isinstance(administer(Installer(), "any"), Admitted)
    assert all(isinstance(enter(Installer(), "any", role), Forbidden) for role in Role)
    assert all(isinstance(found(holder(role)), Forbidden) for role in Role)


def refused(host: str | None, origin: str | None, site: str | None = None, public: str | None = None) -> str | None:
    return refused_because(host=host, origin=origin, fetch_site=site, public_url=public, listens_on="127.0.0.1")


@pytest.mark.rule("AC-22")
@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", None),
        ("localhost:8080", "http://localhost:8080", "same-origin"),
        ("127.0.0.1:8080", None, "same-origin"),
    ],
)
def test_writes_of_our_own_pages_count(host: str, origin: str | None, site: str | None) -> None:
    assert refused(host, origin, site) is None


@pytest.mark.rule("AC-22")
@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        ("127.0.0.1:8080", "http://evil.example", "cross-site"),
        ("127.0.0.1:8080", "http://127.0.0.1:9999", None),
        ("127.0.0.1:8080", "null", None),
        ("127.0.0.1:8080", "http://[", None),
        ("127.0.0.1:8080", None, "cross-site"),
        ("127.0.0.1:8080", None, "none"),
        ("127.0.0.1:8080", None, None),
        ("rebound.example:8080", "http://rebound.example:8080", "same-origin"),
        (None, "http://127.0.0.1:8080", None),
    ],
)
def test_writes_from_elsewhere_do_not(host: str | None, origin: str | None, site: str | None) -> None:
    assert refused(host, origin, site) is not None


@pytest.mark.rule("AC-22")
def test_with_a_public_address_only_its_origin_is_ours() -> None:
    public = "https://fettle.example.com"
    assert refused("fettle.example.com", "https://fettle.example.com", public=public) is None
    assert refused("127.0.0.1:8080", "http://127.0.0.1:8080", public=public) is not None
    assert refused("fettle.example.com", "http://fettle.example.com", public=public) is not None, "not encrypted"
