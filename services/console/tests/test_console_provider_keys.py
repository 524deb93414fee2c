"""Keys of the provider that we do not understand, among those that we do."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from fettle_console.adapters.provider import understood

STRANGE: list[dict[str, Any]] = [
    {"kty": "EC", "crv": "P-192", "kid": "old", "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "ML-DSA-65", "kid": "new", "x": "AA"},
    {"kty": "EC", "kid": "half"},
    {"kty": "EC", "crv": "secp256k1", "kid": "broken", "x": "AA", "y": "AA"},
    {"kty": "RSA", "kid": 7, "n": 7, "e": None},
]


@pytest.mark.rule("AC-111")
def test_a_key_that_we_do_not_understand_keeps_nobody_out() -> None:
    own = RSAKey.generate_key(2048, {"kid": "own"})
    token = jwt.encode({"alg": "RS256", "kid": "own"}, {"sub": "ann"}, own)
    for keys in ([*STRANGE, own.as_dict(private=False)], [own.as_dict(private=False), *STRANGE]):
        assert jwt.decode(token, understood(keys), ["RS256"]).claims == {"sub": "ann"}
    assert not understood(STRANGE).keys
