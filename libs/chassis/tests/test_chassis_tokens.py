"""Internal tokens: short, signed, and worth exactly what they say."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, Role, TokenRefused, issue, verify

OLD, NEW = SigningKey("old", b"o" * 32), SigningKey("new", b"n" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN = Caller("acme", Role.OPERATOR, "ann@acme.test", "Ann")


@pytest.mark.rule("OP-40")
def test_a_token_says_who_calls() -> None:
    assert verify([NEW], issue([NEW], ANN, NOW), NOW) == ANN
    nameless = Caller("acme", Role.INGEST, "gateway")
    assert verify([NEW, OLD], issue([OLD], nameless, NOW), NOW) == nameless


@pytest.mark.rule("OP-40")
def test_a_token_ends() -> None:
    token = issue([NEW], ANN, NOW, ttl_s=60)
    assert verify([NEW], token, NOW + timedelta(seconds=65)) == ANN
    with pytest.raises(TokenRefused, match="has ended"):
        verify([NEW], token, NOW + timedelta(seconds=66))


@pytest.mark.rule("OP-40")
@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        issue([OLD], ANN, NOW),
        issue([SigningKey("new", b"x" * 32)], ANN, NOW),
        jwt.encode({"org": "acme", "role": "admin", "sub": "x", "iat": 1, "exp": 9e9}, "", algorithm="none"),
        jwt.encode({"org": "acme"}, b"n" * 32, algorithm="HS256", headers={"kid": "new"}),
    ],
    ids=["empty", "nonsense", "unknown key", "other secret", "no algorithm", "the signing key itself"],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify([NEW], token, NOW)
    assert refused.value.code == "token_invalid"
