"""Which requests stand in the audit log, under which name, and which of them are the same one again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from fettle_console.domain.audit import (
    Asked,
    AuditOutcome,
    Door,
    Entry,
    Who,
    first_id,
    is_change,
    kept_key,
    moment_of,
    named,
    same_again,
    whose_role,
    words_of_bulk,
)
from fettle_console.domain.credentials import Installer
from fettle_console.domain.deeds import Deeds
from fettle_console.views.audit import Line
from fettle_contracts.times import to_milliseconds

times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds

ANN = Who("token/1", "Ann", "operator")


def asked(**other: str) -> Asked:
    given = {"org": "acme", "method": "PUT", "path": "/secrets/slack", "key": "k1", **other}
    return Asked(who=ANN, door=Door.API, **given)


@pytest.mark.rule("AC-128")
@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/tickets", ""),
        ("HEAD", "/tickets", ""),
        ("OPTIONS", "/tickets", ""),
        ("POST", "/heartbeats", ""),
        ("POST", "/workflows/a/preview", ""),
        ("POST", "/workflows/a/test-runs", ""),
        ("POST", "/tickets/verify", ""),
        ("POST", "/silences", "dry_run=true"),
        ("POST", "/subjects/import", "x=1&dry_run=1"),
        ("POST", "/workflows", "dry_run=False&dry_run=Yes"),
    ],
)
def test_what_only_shows_or_tries_is_no_change(method: str, path: str, query: str) -> None:
    assert not is_change(method, path, query)


@pytest.mark.rule("AC-128")
@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/tickets", ""),
        ("POST", "/tickets", "dry_run=true"),
        ("PUT", "/workflows/a", "dry_run=true"),
        ("POST", "/silences", "dry_run=false"),
        ("POST", "/silences", "dry_run=true&dry_run=false"),
        ("POST", "/silences", "dry_run="),
        ("DELETE", "/workflows/preview", ""),
        ("PUT", "/workflows/a/preview", ""),
        ("POST", "/heartbeats/x", ""),
        ("POST", "/runs/preview/retry", ""),
        ("DELETE", "/", ""),
        ("PATCH", "/anything/new", ""),
    ],
)
def test_everything_else_is_one_whatever_it_says_of_itself(method: str, path: str, query: str) -> None:
    assert is_change(method, path, query)


@pytest.mark.rule("AC-131")
def test_a_path_has_one_spelling_that_can_be_kept() -> None:
    assert named("/tickets/%34%32") == named("/tickets/42") == "/tickets/42"
    assert named("/subjects/device/a%2Fb%20c") == named("/subjects/device/a/b c")
    assert named("/x%00%ff") == "/x%00%EF%BF%BD"
    assert named("") == "/"
    assert len(named("/" + "x" * 5_000)) == 1_000


@pytest.mark.rule("AC-130")
def test_only_the_very_same_request_is_the_same_again() -> None:
    first = same_again(asked(), "", b"1", b"s" * 32)
    assert first == same_again(asked(), "", b"1", b"s" * 32)
    others = [
        same_again(asked(org="zoo"), "", b"1", b"s" * 32),
        same_again(asked(method="POST"), "", b"1", b"s" * 32),
        same_again(asked(path="/secrets/mail"), "", b"1", b"s" * 32),
        same_again(asked(key="k2"), "", b"1", b"s" * 32),
        same_again(asked(), "a=b", b"1", b"s" * 32),
        same_again(asked(), "", b"2", b"s" * 32),
        same_again(Asked("acme", Who("token/2", "Ann", None), Door.API, "PUT", "/secrets/slack", "k1"), "", b"1", b"s"),
    ]
    assert first not in others
    assert len(set(others)) == len(others)
    assert same_again(Asked("acme", ANN, Door.API, "PUT", "/secrets/slack", None), "", b"1", b"s" * 32) is None


@pytest.mark.rule("AC-132")
def test_a_body_cannot_be_tried_out_on_what_is_kept() -> None:
    """Without the installation's key nobody can tell whether a guessed body is the one that came."""
    assert same_again(asked(), "", b"hunter2", b"a" * 32) != same_again(asked(), "", b"hunter2", b"b" * 32)


@pytest.mark.rule("AC-130")
def test_a_key_that_no_service_takes_is_none() -> None:
    assert [kept_key(key) for key in (None, "", "a\x00", "k" * 257, "k" * 256)] == [*[None] * 4, "k" * 256]


@pytest.mark.rule("AC-128")
def test_an_outcome_is_that_of_the_answer() -> None:
    said = [(status, AuditOutcome.of(status).value) for status in (None, 200, 303, 400, 403, 499, 500, 503, 504)]
    assert said == [
        (None, "asked"),
        (200, "done"),
        (303, "done"),
        (400, "refused"),
        (403, "refused"),
        (499, "refused"),
        (500, "failed"),
        (503, "failed"),
        (504, "asked"),
    ]
    assert Who.of(Installer()) == Who("installation", None, None)


@pytest.mark.rule("AC-131")
@given(at=times, later=times)
def test_ids_and_times_bound_each_other(at: datetime, later: datetime) -> None:
    assert moment_of(first_id(at)) == to_milliseconds(at)
    if moment_of(first_id(at)) < moment_of(first_id(later)):
        assert first_id(at) < first_id(later)


@pytest.mark.rule("AC-131")
def test_an_id_says_when_it_was_drawn() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= moment_of(uuid7()) <= datetime.now(UTC)
    assert first_id(datetime(1, 1, 1, tzinfo=UTC)) == UUID(int=0)


@pytest.mark.rule("AC-128", "AC-132")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"person": " ANN@acme.test", "role": "admin"}', "/members/ann%40acme.test/admin"),
        (b'{"person": "ann@acme.test", "role": null}', "/members/ann%40acme.test/none"),
        (b'{"person": "a/b %41", "role": "viewer"}', "/members/a/b%20%2541/viewer"),
        (b'{"person": "ann@acme.test", "role": "king"}', "/members"),
        (b'{"person": "ann@acme.test", "role": ["admin"]}', "/members"),
        (b'{"person": "ann@acme.test"}', "/members"),
        (b'{"person": 7, "role": "admin"}', "/members"),
        (b'{"person": "\\u0000", "role": "admin"}', "/members"),
        (b'{"person": "' + b"x" * 201 + b'", "role": "admin"}', "/members"),
        (b"[]", "/members"),
        (b"\xff", "/members"),
        (b"[" * 100_000, "/members"),
        (b"", "/members"),
    ],
)
def test_an_entry_says_who_gets_which_role(body: bytes, path: str) -> None:
    assert whose_role("PUT", "/members", body) == path


@pytest.mark.rule("AC-132")
def test_of_any_other_body_nothing_is_said() -> None:
    body = b'{"person": "ann@acme.test", "role": "admin", "value": "hunter2"}'
    for method, path in (("POST", "/members"), ("PUT", "/secrets/slack"), ("PUT", "/members/x")):
        assert whose_role(method, path, body) == path


@pytest.mark.rule("AC-124", "AC-132")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"action": "start", "numbers": [1, 2, 2]}', {"action": "start", "tickets": "2", "numbers": "1, 2"}),
        (
            b'{"action": "comment", "numbers": [1], "comment": "hunter2"}',
            {"action": "comment", "tickets": "1", "numbers": "1"},
        ),
        (b'{"action": "start", "numbers": [-1, 9223372036854775807]}', {"action": "start", "tickets": "2"}),
        (b'{"action": "start", "numbers": [9223372036854775808]}', {"action": "start", "tickets": "1"}),
        (
            b'{"action": "start", "numbers": [%s]}' % b",".join(b"%d" % one for one in range(1, 202)),
            {"action": "start", "tickets": "201"},
        ),
        (b'{"action": "start", "numbers": ["hunter2"]}', {}),
        (b'{"action": "hunter2", "numbers": [1]}', {}),
        (b'{"action": ["start"], "numbers": [1]}', {}),
        (b'{"action": "start", "numbers": 1}', {}),
        (b'{"action": "start", "numbers": "hunter2"}', {}),
        (b'{"action": "start", "numbers": [{}]}', {}),
        (b'{"action": "start"}', {}),
        (b"[" * 100_000, {}),
        (b"[]", {}),
        (b"", {}),
    ],
)
def test_of_the_same_done_to_many_tickets_an_entry_says_what_and_to_how_many(body: bytes, said: dict[str, str]) -> None:
    assert words_of_bulk("POST", "/tickets/bulk", body) == said
    assert words_of_bulk("POST", "/tickets", body) == {}


@pytest.mark.rule("AC-133")
@pytest.mark.parametrize(
    ("who", "words"),
    [
        (Who("ann@acme.test", "Ann", "admin"), "Ann (ann@acme.test) with the role admin"),
        (Who("installation", None, None), "The installation"),
        (Who("sign-in", "idp.acme.test", None), "idp.acme.test"),
        (Who("token/7", "Night", "viewer", "token/1"), "Night, an API token with the role viewer, made by Ann, id 7"),
        (Who("token/7", "Night", "viewer"), "Night, an API token with the role viewer, id 7"),
    ],
)
def test_the_page_says_in_words_who_that_is(who: Who, words: str) -> None:
    entry = Entry(uuid7(), Asked("acme", who, Door.API, "PUT", "/secrets/slack", None), 200, 1)
    assert Line.of(entry, Deeds([]), {"token/1": "Ann"}).whole == words


@pytest.mark.rule("AC-133")
def test_the_page_says_who_gets_which_role_in_words() -> None:
    def line(path: str) -> tuple[str, str]:
        entry = Entry(uuid7(), asked(path=path), 200, 1)
        shown = Line.of(entry, Deeds([]), {})
        return shown.deed, shown.thing

    assert line("/members/ann%40acme.test/admin") == ("Give the role admin", "members/ann@acme.test")
    assert line("/members/ann%40acme.test/none") == ("Take out of the org", "members/ann@acme.test")
