"""What is tried again, what is not, and under which key."""

import pytest
from small_api import BREAK, Answer, Client, serving

from fettle_client import FettleError, Refused, Unreachable
from fettle_client.asynchronous import events as asynchronous_events
from fettle_client.patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, Patience
from fettle_client.synchronous import events as synchronous_events

AWAY = {"title": "Away", "status": 503, "code": "unavailable", "detail": "Try again in a moment."}
OPENED = Answer(201, {"number": 42})
LIFT = {"type": "other", "id": "lift-3"}


def away(status: int = 503, after: str | None = None, code: str = "unavailable") -> Answer:
    return Answer(status, {**AWAY, "status": status, "code": code}, {} if after is None else {"retry-after": after})


@pytest.mark.rule("CL-5", "CL-6")
@pytest.mark.parametrize(
    "first",
    [away(after="0"), away(429, "0"), away(504, "0", "outcome_unknown"), BREAK],
    ids=["503", "429", "not heard", "broken"],
)
def test_a_write_is_tried_again_under_the_key_of_the_first_time(client: Client, first: Answer | None) -> None:
    with serving(first, first, OPENED) as api:
        opened = client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", LIFT))
    assert opened == {"number": 42}
    assert len({asked.headers["idempotency-key"] for asked in api.asked}) == 1
    assert len({asked.body for asked in api.asked}) == 1
    assert len(api.asked) == 3


@pytest.mark.rule("CL-5")
def test_each_call_has_a_key_of_its_own_unless_it_is_given_one(client: Client) -> None:
    with serving(OPENED) as api:
        client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", LIFT))
        client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", LIFT))
        client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", LIFT, key="night-shift-7"))
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    first, second, third, fourth = (asked.headers.get("idempotency-key") for asked in api.asked)
    assert first
    assert second
    assert first != second
    assert (third, fourth) == ("night-shift-7", None)


@pytest.mark.rule("CL-6")
@pytest.mark.parametrize(
    "answer",
    [away(), away(after="soon"), away(500, "0"), away(504, "0"), away(504, code="outcome_unknown")],
    ids=["503 without a time", "503 with a strange one", "500", "another's 504", "504 without a time"],
)
def test_other_refusals_are_final(client: Client, answer: Answer) -> None:
    with serving(answer, OPENED) as api, pytest.raises(Refused):
        client.call(api.url, lambda fettle: fettle.open_ticket("Lift 3", LIFT))
    assert len(api.asked) == 1


@pytest.mark.rule("CL-6")
def test_patience_ends(client: Client) -> None:
    with serving(away(after="3600"), OPENED) as api, pytest.raises(Refused) as caught:
        client.call(api.url, lambda fettle: fettle.get_ticket(42))
    assert (len(api.asked), caught.value.retry_after_s) == (1, 3600)
    with serving(BREAK) as api, pytest.raises(Unreachable):
        client.call(api.url, lambda fettle: fettle.get_ticket(42), patience_s=FIRST_PAUSE_S)
    assert len(api.asked) == 2
    with serving(BREAK) as api, pytest.raises(Unreachable):
        client.call(api.url, lambda fettle: fettle.get_ticket(42), patience_s=0)
    assert len(api.asked) == 1


@pytest.mark.rule("CL-6")
def test_pauses_grow_and_together_stay_within_patience() -> None:
    patience, gone = Patience(10), Unreachable("nobody", again=True)
    pauses = []
    while (pause_s := patience.pause_s(gone)) is not None:
        pauses.append(pause_s)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert max(pauses) == LONGEST_PAUSE_S
    assert 10 - LONGEST_PAUSE_S < sum(pauses) <= 10


@pytest.mark.rule("CL-6")
@pytest.mark.parametrize("failure", [Unreachable("ran out", again=False), Refused(409, "No.", {}), FettleError("odd")])
def test_what_time_or_trying_does_not_cure_is_let_be(failure: FettleError) -> None:
    assert Patience(10).pause_s(failure) is None


@pytest.mark.rule("CL-6")
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_is_as_long_as_the_answer_asks_for(status: int) -> None:
    patience, later = Patience(10), Refused(status, "Later.", {}, retry_after_s=4.0)
    assert [patience.pause_s(later) for _ in range(3)] == [4.0, 4.0, None]


@pytest.mark.rule("CL-6")
def test_an_answer_that_asks_for_no_pause_does_not_make_a_storm() -> None:
    patience, at_once = Patience(1), Refused(503, "Away.", {}, retry_after_s=0.0)
    assert sum(1 for _ in iter(lambda: patience.pause_s(at_once), None)) == round(1 / FIRST_PAUSE_S)


def stream(text: str) -> Answer:
    return Answer(200, text.encode(), {"content-type": "text/event-stream"})


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asynchronous_events, synchronous_events):
        monkeypatch.setattr(module, "AGAIN_S", 0.0)


OPENED_1 = 'id: 1\nevent: fettle.ticket.opened.v1\ndata: {"org":"acme"}\n\n'


@pytest.mark.rule("CL-7")
def test_events_go_on_behind_the_last_sign_of_life(client: Client, at_once: None) -> None:
    streams = (stream(OPENED_1 + "id: 5\n: live\n\n"), stream("id: 6\nevent: reset\ndata: {}\n\n" + "data: {\n"))
    with serving(*streams, BREAK, stream(OPENED_1)) as api:
        events = client.items(api.url, lambda fettle: fettle.events("0"), first=3)
    assert [(event.type, event.data, event.id) for event in events] == [
        ("fettle.ticket.opened.v1", {"org": "acme"}, "1"),
        ("reset", {}, "6"),
        ("fettle.ticket.opened.v1", {"org": "acme"}, "1"),
    ]
    assert [asked.headers["last-event-id"] for asked in api.asked] == ["0", "5", "6", "6"]
    assert api.asked[0].headers["accept"] == "text/event-stream"


@pytest.mark.rule("CL-7")
def test_events_end_when_nobody_answers_any_more(client: Client, at_once: None) -> None:
    with serving(stream(OPENED_1), BREAK) as api, pytest.raises(Unreachable):
        client.items(api.url, lambda fettle: fettle.events(), patience_s=0)
    assert "last-event-id" not in api.asked[0].headers


@pytest.mark.rule("CL-7")
def test_events_end_with_their_connection_where_that_is_wanted(client: Client) -> None:
    with serving(stream(OPENED_1)) as api:
        assert len(client.items(api.url, lambda fettle: fettle.events(again=False))) == 1


@pytest.mark.rule("CL-7")
@pytest.mark.parametrize("answer", [Answer(200, b"<html>"), stream("data: no JSON\n\n")])
def test_what_is_no_event_stream_is_not_asked_for_again_and_again(client: Client, answer: Answer) -> None:
    with serving(answer) as api, pytest.raises(FettleError, match="sends no events"):
        client.items(api.url, lambda fettle: fettle.events())
    assert len(api.asked) == 1
