"""Commands that Fettle must refuse, each by its code: a dead letter's or a rejection's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ticket_desk import NOON

from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.commands import Verb
from fettle_contracts.ticket import MONITOR_KINDS

USER = {"type": "user", "id": "ann@acme.test", "name": "Ann"}
MONITOR = {"type": "health_monitor"}
LIFT = {"type": "other", "id": "lift-3", "name": "Lift 3"}
LINK = {"label": "WO-7", "url": "https://orders.test/7"}
LEFT_OUT = "<left out>"
LONG = "x" * 70_000
OPEN_ON = {"ticket": {"number": 1}}
RESOLVED_ON = {"ticket": {"number": 2}}
STARTED_ON = {"ticket": {"number": 3}}
"""Tickets that stand before the corpus comes: an open, a resolved and a started one of a person."""


class Bad(NamedTuple):
    """`change` is laid over a good command of the verb. `code` is a dead letter's unless `rejected`."""

    verb: str
    change: dict[str, Any]
    code: str
    rejected: bool = False
    signed: bool = False
    event: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it

    @property
    def name(self) -> str:
        said = json.dumps(self.change)[:60]
        return f"{self.verb} {said} {list(self.event.items())[:1]}"[:110].replace("x" * 20, "")


GOOD: dict[str, dict[str, Any]] = {
    "open": {"title": "Noise", "subject": LIFT},
    "start": OPEN_ON,
    "move-to-open": STARTED_ON,
    "resolve": OPEN_ON,
    "reopen": RESOLVED_ON,
    "comment": {**OPEN_ON, "comment": "Called the vendor."},
    "edit-description": {**OPEN_ON, "description": "One."},
    "set-links": {**OPEN_ON, "links": [LINK]},
    "update-checklist": {**OPEN_ON, "actor": MONITOR},
}
ON_A_TICKET = [verb for verb in GOOD if verb not in ("open", "update-checklist")]


def event_of(bad: Bad, id: str) -> CloudEvent:
    data = {"org": "acme", "actor": USER, **GOOD.get(bad.verb, {}), **bad.change}
    text = json.dumps({name: value for name, value in data.items() if value != LEFT_OUT}).encode()
    ce_type = f"fettle.ticket.command.{bad.verb}.v1"
    event = {"id": id, "source": "corpus", "type": ce_type, "time": NOON, "data": text, "key": "acme"}
    return CloudEvent(**{**event, **bad.event})


def _rejected(verb: str, code: str, *changes: dict[str, Any], signed: bool = False) -> Iterator[Bad]:
    return (Bad(verb, change, code, rejected=True, signed=signed) for change in changes)


def _dead(verb: str, code: str, *changes: dict[str, Any], signed: bool = False) -> Iterator[Bad]:
    return (Bad(verb, change, code, signed=signed) for change in changes)


_NO_ACTORS: tuple[dict[str, Any], ...] = (
    {"actor": LEFT_OUT},
    {"actor": None},
    {"actor": "ann"},
    {"actor": {}},
    {"actor": {"type": "root"}},
)
_NO_TICKETS: tuple[dict[str, Any], ...] = (
    *({"ticket": ticket} for ticket in (LEFT_OUT, None, 7, {}, {"number": 0}, {"number": -1}, {"number": "x"})),
    *({"ticket": ticket} for ticket in ({"number": 1.5}, {"id": "1"}, {"number": 1, "dedup_key": "k"}, [1])),
)
_NO_SUBJECTS: tuple[Any, ...] = (
    LEFT_OUT,
    None,
    "lift",
    {},
    {"type": "lift", "id": "3"},
    {"type": "other"},
    {"type": "other", "id": ""},
)
_ODD_SUBJECTS: tuple[Any, ...] = (
    {"type": "other", "id": "x" * 201},
    {"type": "other", "id": "a\x00"},
    {"type": "other", "id": "a\nb"},
)
_NO_LINKS: tuple[Any, ...] = (
    None,
    "https://orders.test",
    [None],
    [{"label": "x"}],
    [{"url": "https://orders.test"}],
    [["a", "b"]],
)
_BAD_URLS = (
    *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://orders.test", "//orders.test", ""),
    *("https://", "https:orders.test", "https:// orders.test", "vbscript:x", "https://a\nb", "https://a" + "b" * 2_000),
)
_BAD_LABELS = ("", " ", "x" * 121, "a\nb", "a\x00")
_RESERVED = ("device/t17:device_offline", "integration/hue-1:x", "other/heartbeats:lost")

COMMANDS: tuple[Bad, ...] = (
    # Nobody can read these
    *(Bad("start", {}, "unreadable", event={"data": data}) for data in (b"", b"[]", b"null", b"7", b"{", b"\xff\xfe")),
    *(Bad(verb, {}, "verb_unknown") for verb in ("delete", "Start", "start ", "", "move_to_open", "assign")),
    *(
        Bad("start", {}, "verb_unknown", event={"type": ce_type})
        for ce_type in ("fettle.ticket.command.start.v2", "start", "fettle.ticket.opened.v1")
    ),
    *(bad for verb in ("open", "comment") for bad in _dead(verb, "unreadable", *_NO_ACTORS)),
    *_dead("start", "unreadable", {"org": LEFT_OUT}, {"org": None}, {"org": 7}),
    *(Bad("start", {"org": org}, "field_invalid", event={"key": org}) for org in ("", "a\nb", "x" * 257)),
    *(bad for verb in ("start", "comment", "set-links") for bad in _dead(verb, "unreadable", *_NO_TICKETS)),
    *_dead("open", "unreadable", *({"subject": subject} for subject in (*_NO_SUBJECTS, *_ODD_SUBJECTS))),
    *_dead("open", "unreadable", *({"links": links} for links in _NO_LINKS)),
    *_dead("set-links", "unreadable", {"links": LEFT_OUT}, *({"links": links} for links in _NO_LINKS)),
    *_dead("open", "unreadable", {"title": 7}, {"title": None}, {"kind": 7}, {"description": []}, {"dedup_key": 7}),
    *_dead("comment", "unreadable", {"comment": LEFT_OUT}, {"comment": None}, {"comment": 7}, {"comment": ["a"]}),
    *_dead("edit-description", "unreadable", {"description": LEFT_OUT}, {"description": 7}),
    *(
        bad
        for verb in ("edit-description", "set-links")
        for bad in _dead(verb, "unreadable", {"description_version": 0}, {"description_version": "one"})
    ),
    *_dead("open", "unreadable", {"flap_count": -1}, {"at": "yesterday"}, {"evidence": []}, {"parent": {}}),
    *_dead("resolve", "unreadable", {"resolution": "exploded"}, {"parent": {"number": 0}}),
    # They speak for others
    *_dead("open", "unsigned", {"actor": MONITOR}, {"actor": {"type": "workflow", "id": "alert"}}),
    *_dead("update-checklist", "unsigned", {}, {"actor": USER}),
    *(Bad("start", {}, "bad_signature", event={"signature": text}) for text in ("k1:nonsense", "k1:" + "A" * 43)),
    *(Bad("start", {}, "unknown_key", event={"signature": text}) for text in ("k9:AAAA", "none:AAAA")),
    Bad("update-checklist", {"add": [LIFT] * 501}, "unreadable", signed=True),
    # They can be read, and answered
    *_rejected("start", "org_mismatch", {"org": "globex"}, {"org": "nowhere"}, {"org": "ACME"}),
    *(Bad("start", {}, "source_reserved", True, event={"source": source}) for source in ("fettle/api", "fettle/x")),
    *_rejected("open", "field_reserved", {"at": "2026-11-23T12:00:00Z"}, {"evidence": {"a": 1}}, {"flap_count": 2}),
    *_rejected("open", "field_reserved", {"integration": "hue-1"}, {"parent": {"number": 1}}),
    *_rejected("resolve", "field_reserved", {"resolution": "merged"}, {"parent": {"number": 2}}),
    *_rejected("reopen", "field_reserved", {"flap_count": 3}),
    *(
        bad
        for verb in ON_A_TICKET
        for bad in _rejected(
            verb,
            "ticket_not_found",
            {"ticket": {"number": 999}},
            {"ticket": {"dedup_key": "nothing"}},
            {"ticket": {"id": "01980000-0000-7000-8000-000000000000"}},
        )
    ),
    *_rejected("start", "ticket_not_found", {"ticket": {"number": 2**63}}, {"ticket": {"dedup_key": "a\x00"}}),
    *_rejected("open", "title_empty", {"title": LEFT_OUT}, {"title": ""}, {"title": " \t\n"}),
    *_rejected("open", "title_too_long", {"title": "x" * 201}, {"title": "a\nb"}, {"title": "a\x00b"}),
    *_rejected("open", "kind_invalid", {"kind": ""}, {"kind": " "}, {"kind": "x" * 121}, {"kind": "a\nb"}),
    *_rejected("open", "text_too_long", {"description": LONG}, {"description": "ø" * 40_000}),
    *_rejected("open", "key_invalid", {"dedup_key": ""}, {"dedup_key": "x" * 401}, {"dedup_key": "a\nb"}),
    *_rejected("open", "key_reserved", *({"dedup_key": key} for key in _RESERVED)),
    *_rejected("open", "kind_reserved", *({"kind": kind} for kind in MONITOR_KINDS)),
    *_rejected("open", "too_many_links", {"links": [LINK] * 11}),
    *_rejected("open", "link_invalid", *({"links": [{**LINK, "url": url}]} for url in _BAD_URLS)),
    *_rejected("set-links", "link_invalid", *({"links": [LINK, {**LINK, "url": url}]} for url in _BAD_URLS)),
    *_rejected("set-links", "link_invalid", *({"links": [{**LINK, "label": label}]} for label in _BAD_LABELS)),
    *_rejected("set-links", "too_many_links", {"links": [LINK] * 11}),
    *_rejected("comment", "comment_empty", {"comment": ""}, {"comment": " \n\t"}),
    *(bad for verb in ("comment", "start", "resolve") for bad in _rejected(verb, "text_too_long", {"comment": LONG})),
    *_rejected("edit-description", "text_too_long", {"description": LONG}),
    *_rejected("edit-description", "description_changed", {"description_version": 7}),
    *_rejected("set-links", "description_changed", {"description_version": 7}),
    *_rejected("start", "wrong_state", RESOLVED_ON, {**RESOLVED_ON, "comment": "Now."}),
    *_rejected("move-to-open", "wrong_state", RESOLVED_ON),
    *_rejected("reopen", "wrong_state", STARTED_ON),
    *_rejected("resolve", "wrong_state", {"actor": MONITOR}, signed=True),
    *_rejected("start", "wrong_state", {"actor": MONITOR}, signed=True),
    *_rejected("reopen", "wrong_state", {"actor": {"type": "workflow", "id": "alert"}}, signed=True),
    *_rejected("resolve", "parent_invalid", {"parent": {"number": 999}}, {"parent": {"number": 1}}, signed=True),
    *_rejected("update-checklist", "wrong_state", {"add": [LIFT]}, signed=True),
    *_rejected("update-checklist", "ticket_not_found", {"ticket": {"number": 999}}, signed=True),
)
assert all(verb in GOOD for verb in Verb)
