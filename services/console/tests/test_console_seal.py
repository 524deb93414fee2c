"""Texts that browsers keep for us."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.signing import SigningKey
from fettle_console.adapters.seal import Seal
from fettle_console.domain.flow import LASTS, Flow

OLD, NEW = SigningKey("old", b"o" * 32), SigningKey("new", b"n" * 32)


@pytest.mark.rule("AC-113")
@given(st.text(max_size=50))
def test_what_we_signed_counts_and_nothing_else(text: str) -> None:
    seal = Seal([NEW], "session")
    signed = seal.sign(text)
    assert seal.text_of(signed) == text
    for forged in (text, signed[:-1], signed + "A", "x" + signed, f"{text}.", f"{text}x.{signed.rpartition('.')[2]}"):
        assert seal.text_of(forged) is None
    assert Seal([NEW], "sign-in").text_of(signed) is None, "a cookie of another kind"
    assert Seal([OLD], "session").text_of(signed) is None, "a key that is not ours"


@pytest.mark.rule("AC-113")
def test_what_the_key_before_has_signed_counts_as_long_as_the_installation_has_it() -> None:
    signed = Seal([OLD], "session").sign("secret")
    assert Seal([NEW, OLD], "session").text_of(signed) == "secret"


@pytest.mark.rule("AC-110")
@given(st.text(max_size=50))
def test_a_flow_comes_back_as_it_was_and_ends(next: str) -> None:
    at = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
    flow = Flow("state", "nonce", "verifier", next, int(at.timestamp()))
    assert Flow.of(flow.text()) == flow
    assert flow.text().isascii()
    assert not flow.has_ended(at + LASTS - timedelta(seconds=1))
    assert flow.has_ended(at + LASTS)
