"""`fettle health silence`, `silences` and `unsilence` against a small real API."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle, Ran

ID = "5f6cbb7e-4d0a-5f0e-9d8e-0e1a2b3c4d5e"


def shown(**changes: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "selection": None,
        "subject": "device/t17",
        "known": True,
        "state": "active",
        "starts_at": AT,
        "from": AT,
        "until": "2026-11-23T14:17:02.140Z",
        "ends_at": "2026-11-23T14:17:02.140Z",
        "rrule": None,
        "zone": None,
        "reason": "Battery swap",
        "made_by": "ann@acme.test",
        "made_at": AT,
        "held": {"count": 3, "latest": []},
        **changes,
    }


@pytest.mark.rule("HM-135")
def test_one_subject_is_silenced_without_a_question(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/silences", shown(), 201)
    ran = fettle("health", "silence", "device/t17", "--for", "1d12h", "--reason", "Battery swap")
    assert ran.status == 0, ran.err
    assert api.last.json == {"subject": "device/t17", "length_s": 129_600, "reason": "Battery swap"}
    assert ran.out.splitlines() == [
        "device/t17 is silenced until 2026-11-23T14:17:02.140Z.",
        f"To end that: fettle health unsilence {ID}",
    ]
    assert fettle("health", "silence", "device/t17").status == 0
    assert api.last.json["length_s"] == 14_400
    assert json.loads(fettle("health", "silence", "device/t17", "--json").out) == shown()


@pytest.mark.rule("HM-135")
def test_a_recurring_silence_begins_by_the_clock_of_its_zone(fettle: Fettle, api: FettleApi) -> None:
    rule = "FREQ=WEEKLY;BYDAY=SA;COUNT=8"
    api.on("POST", "orgs/acme/silences", shown(state="upcoming", rrule=rule, known=False), 201)
    zone = ("--rrule", rule, "--zone", "Europe/Oslo")
    ran = fettle("health", "silence", "device/t17", "--from", "2026-12-05T22:00", *zone)
    assert api.last.json["starts_at"] == "2026-12-05T21:00:00.000Z"
    assert (api.last.json["rrule"], api.last.json["zone"]) == (rule, "Europe/Oslo")
    assert f"silenced from {AT} until 2026-11-23T14:17:02.140Z, again by {rule} until" in ran.out
    assert ran.err == "Nothing is known of device/t17 yet.\n"
    fettle("health", "silence", "device/t17", "--from", "2026-12-05T22:00-05:00")
    assert api.last.json["starts_at"] == "2026-12-06T03:00:00.000Z"


@pytest.fixture
def in_oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock is Oslo's."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Europe/Oslo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.rule("HM-321")
@pytest.mark.usefixtures("in_oslo")
@pytest.mark.parametrize("zone", [None, "Europe/Oslo"])
def test_a_local_time_is_one_that_its_clock_shows_and_the_first_of_two(
    fettle: Fettle, api: FettleApi, zone: str | None
) -> None:
    """A rule would count from another time of the day than was asked for."""
    api.on("POST", "orgs/acme/silences", shown(), 201)
    recurring = () if zone is None else ("--rrule", "FREQ=DAILY;COUNT=3", "--zone", zone)

    def begin(start: str) -> Ran:
        return fettle("health", "silence", "device/t17", "--from", start, *recurring)

    whose = zone or "this machine"
    for start in ("2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59:59.5"):
        ran = begin(start)
        assert (ran.status, api.requests) == (2, [])
        assert f"--from {start} is a time that the clock of {whose} never shows: it goes from " in ran.err
        assert "from 2026-03-29T02:00 to 2026-03-29T03:00; begin before that" in ran.err
    for start, at in (
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30"),
    ):
        assert begin(start).status == 0
        assert api.last.json["starts_at"] == f"{at}:00.000Z"


@pytest.mark.rule("HM-135")
@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("n\n", False), ("", False)])
def test_a_selection_is_counted_and_asked_for(fettle: Fettle, api: FettleApi, answer: str, done: bool) -> None:
    api.on("POST", "orgs/acme/silences", {"selection": ID, "count": 12}, 201)
    ran = fettle("health", "silence", "--space", "oslo/hq", stdin=answer)
    assert "Silence 12 subjects for 4h?" in ran.err
    assert api.requests[0].query == {"dry_run": "true"}
    assert [request.query for request in api.requests[1:]] == ([{}] if done else [])
    assert ran.status == (0 if done else 1)
    assert (f"Silenced 12 subjects. To end that: fettle health unsilence {ID}" in ran.out) == done
    assert api.last.json == {"filter": {"space": "oslo/hq"}, "length_s": 14_400}


@pytest.mark.rule("HM-135")
def test_a_selection_with_yes_is_not_asked_for(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/silences", {"selection": ID, "count": 1}, 201)
    ran = fettle("health", "silence", "--integration", "hue-1", "--yes", "--json")
    assert json.loads(ran.out) == {"selection": ID, "count": 1}
    assert [request.query for request in api.requests] == [{}]


@pytest.mark.rule("HM-135", "AC-98")
def test_what_a_selection_must_fit_adds_up(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/silences", {"selection": ID, "count": 2}, 201)
    words = ("--integration", "hue-1", "--type", "device", "--model", "T100", "--space", "oslo")
    assert fettle("health", "silence", *words, "--yes").status == 0
    assert api.last.json["filter"] == {"integration": "hue-1", "type": "device", "model": "T100", "space": "oslo"}


@pytest.mark.rule("HM-135")
def test_silences_are_listed_with_what_they_hold_back(fettle: Fettle, api: FettleApi) -> None:
    page = {"items": [shown()], "next_cursor": "abc", "as_of": AT}
    api.on("GET", "orgs/acme/silences", page)
    ran = fettle("health", "silences")
    assert ran.status == 0
    for word in ("active", "device/t17", "2026-11-23T14:17:02.140Z", "3", "ann@acme.test", "Battery swap", ID):
        assert word in ran.out
    assert "--cursor abc" in ran.err
    assert json.loads(fettle("health", "silences", "--state", "ended", "--subject", "device/t17", "--json").out) == page
    assert api.last.query == {"state": "ended", "subject": "device/t17", "limit": "50"}


@pytest.mark.rule("HM-135")
def test_a_silence_is_ended(fettle: Fettle, api: FettleApi) -> None:
    api.answers["DELETE", f"/api/v1/orgs/acme/silences/{ID}"] = (200, None)
    assert fettle("health", "unsilence", ID).out == f"Ended {ID}.\n"
    assert json.loads(fettle("health", "unsilence", ID, "--json").out) == {"ended": ID}
    assert fettle("health", "unsilence", "nobodys").status == 1


@pytest.mark.rule("HM-135")
@pytest.mark.parametrize("zone", ["", "Europe/", "/Europe/Oslo", "Europe//Oslo", "zone.tab", "Mars/One"])
def test_a_zone_that_there_is_not_is_what_is_named(fettle: Fettle, api: FettleApi, zone: str) -> None:
    ran = fettle("health", "silence", "device/t17", "--from", "2026-12-05T22:00", "--zone", zone)
    assert ran.status == 2
    assert f"there is no time zone {zone!r}" in ran.err
    assert api.requests == []


@pytest.mark.rule("HM-135")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("device/t17", "--space", "oslo"),
        ("device/t17", "--type", "device"),
        ("device/t17", "--for", "4"),
        ("device/t17", "--for", "soon"),
        ("device/t17", "--from", "tomorrow"),
        ("device/t17", "--from", "2026-12-05T22:00", "--zone", "Mars/One"),
    ],
)
def test_wrong_use_asks_nothing(fettle: Fettle, api: FettleApi, arguments: tuple[str, ...]) -> None:
    assert fettle("health", "silence", *arguments).status == 2
    assert api.requests == []
