"""Whose a dead letter is, which ones stay, and how what stands in them is shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_console.domain.dead_letters import TOPICS_WITH_LETTERS, not_sent_again_because, owner
from fettle_console.views.dead_letters import readable
from fettle_contracts.dead_letters import without_value
from fettle_contracts.topics import COMMANDS, EVENTS, HEARTBEATS, JUDGEMENTS, ORGS, SIGNALS

THEIRS = b'{"org": "zoo", "title": "secret"}'


@pytest.mark.rule("AC-134")
@pytest.mark.parametrize(
    ("topic", "key", "value", "org"),
    [
        (COMMANDS, b"acme", b"{", "acme"),
        (COMMANDS, b"acme", None, "acme"),
        (COMMANDS, b"acme", b'{"org": "acme"}', "acme"),
        (EVENTS, b"acme/0198", b'{"org": "acme"}', "acme"),
        (COMMANDS, b"acme", b'{"data": {"org": "acme"}, "specversion": "1.0"}', "acme"),
        (HEARTBEATS, b"acme/device/t17", b'{"org": "zoo"}', "acme"),
        (SIGNALS, b"acme/erp", b'{"org": "zoo"}', "acme"),
        (COMMANDS, b"acme", THEIRS, None),
        (COMMANDS, b"acme", b'{"data": {"org": "zoo"}}', None),
        (COMMANDS, b"acme", b'{"org": "acme", "data": {"org": "zoo"}}', None),
        (COMMANDS, b"acme", b'{"org": 7}', None),
        (COMMANDS, b"acme", b'{"org": null}', None),
        (COMMANDS, b"acme", b'{"org": ["acme"]}', None),
        (COMMANDS, None, b'{"org": "acme"}', None),
        (COMMANDS, b"", b'{"org": "acme"}', None),
        (COMMANDS, b"Acme", b"{}", None),
        (HEARTBEATS, b"\xff\xfe/device/x", b"", None),
        (COMMANDS, b"acme", b"[" * 100_000, "acme"),
    ],
)
def test_a_letter_is_its_keys_org_unless_its_value_names_another(
    topic: str, key: bytes | None, value: bytes | None, org: str | None
) -> None:
    assert owner(topic, key, value) == org


@pytest.mark.rule("AC-134")
@given(key=st.binary(max_size=80), value=st.none() | st.binary(max_size=80))
def test_any_bytes_have_at_most_one_owner(key: bytes, value: bytes | None) -> None:
    org = owner(COMMANDS, key, value)
    assert org is None or key == org.encode() or key.startswith(f"{org}/".encode())


@pytest.mark.rule("AC-134")
def test_what_is_fettles_own_business_is_shown_to_no_org() -> None:
    assert {HEARTBEATS, COMMANDS, EVENTS, SIGNALS} <= set(TOPICS_WITH_LETTERS)
    assert not {JUDGEMENTS, ORGS} & set(TOPICS_WITH_LETTERS)


@pytest.mark.rule("AC-135")
def test_heartbeats_and_what_was_cut_stay() -> None:
    assert "silent now would look alive" in (not_sent_again_because(HEARTBEATS, b"", "") or "")
    cut = without_value("x", 9)
    assert "too large" in (not_sent_again_because(COMMANDS, None, cut) or "")
    assert "too large" in (not_sent_again_because(COMMANDS, b"", cut) or "")  # of a record without a key
    assert not_sent_again_because(COMMANDS, None, "") is None
    assert not_sent_again_because(COMMANDS, b"{", cut) is None


@pytest.mark.rule("AC-134")
def test_what_cannot_be_seen_is_marked_and_json_is_laid_out() -> None:
    assert readable(b'{"a":[1,"\xc3\xa9"]}') == json.dumps({"a": [1, "é"]}, indent=2, ensure_ascii=False)
    assert readable(b"a\x00b\x1b[31m\nc\x7f") == "a␀b␛[31m\nc␡"
    assert readable(b"\xff{") == "�{"
    assert readable(b"17") == "17"
    assert readable(b"[" * 100_000).startswith("[[[")
    assert "characters more" in readable(b"x" * 30_000)
