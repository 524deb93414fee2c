"""Requests that the API must refuse, each with the status and the code that it must be refused by."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ticket_bad_commands import _BAD_LABELS, _BAD_URLS, _RESERVED, LIFT, LINK, LONG

from fettle_contracts.ticket import MONITOR_KINDS


class Refused(NamedTuple):
    """`body` is sent as JSON, or as it is if it is text. `number` 1 is open, 2 resolved, 3 started."""

    method: str
    path: str
    status: int
    code: str
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
    role: str = "operator"

    @property
    def name(self) -> str:
        said = json.dumps(self.body)[:60].replace("x" * 20, "")
        return f"{self.method} {self.path} {said} {list(self.headers.items())[:1]}"[:120]


REPORT = {"title": "Noise", "subject": LIFT}
ANY = {"if-match": "*"}
MOVES = ("start", "move-to-open", "resolve", "reopen")
_WRITES = (
    *(("POST", f"/tickets/{{n}}/{move}", {"comment": "On it."}) for move in MOVES),
    ("POST", "/tickets/{n}/comments", {"comment": "On it."}),
    ("PUT", "/tickets/{n}/description", {"description": "One."}),
    ("PUT", "/tickets/{n}/links", {"links": [LINK]}),
)
_NO_JSON = ("{", "[]", "7", '"text"', "null,", "\ufeff{}")
_LISTS = ("/tickets", "/tickets/1/timeline", "/tickets/1/checklist")
_CURSORS = (
    "x",
    "é",
    "W10",
    "bnVsbA",
    "WzFd" * 200,
    "WyJudW1iZXIiLCAidHdvIiwgbnVsbF0",
    "e30",
    "WyJvcGVuZWQiLCB0cnVlLCBudWxsXQ",
    "W3RydWVd",
    "WyJvcGVuZWQiLCAtMSwgbnVsbF0",
    "WzIxNDc0ODM2NDhd",
    "W1tdXQ",
)
_NO_NUMBERS = ("x", "1.5", "0x1", "1e3", "%00", "one")


_NO_POLICIES: tuple[Any, ...] = (
    *({"reopen_window_s": -1}, {"reopen_window_s": "x"}, {"retention_days": 0}, {"retention": 7}, {"link_patterns": 7}),
    *({"link_patterns": [{"pattern": "(", "url": "https://orders.test/{0}"}]}, {"report_issue_enabled": "perhaps"}),
    *("{", "[]"),
)
_NO_WITNESSES: tuple[Any, ...] = (
    *({}, {"seen": [{}]}, {"seen": [{"ticket": "x", "version": 1, "hash": "a"}]}, {"seen": "x"}, "{"),
    {"seen": [{"ticket": "01980000-0000-7000-8000-000000000000", "version": 0, "hash": "a"}]},
    {"seen": [{"ticket": "01980000-0000-7000-8000-000000000000", "version": 1, "hash": "a", "place": False}]},
    {"seen": [{"ticket": "01980000-0000-7000-8000-000000000000", "version": "1", "hash": "a"}]},
)
_NO_COMMENTS: tuple[tuple[str, Any], ...] = (
    *(("comment_empty", {}), ("comment_empty", {"comment": " \n"}), ("malformed", {"comment": None})),
    *(("malformed", {"comment": ["a"]}), ("malformed", "{"), ("malformed", None)),
)


def _opened(status: int, code: str, **change: Any) -> Refused:
    body = {name: value for name, value in {**REPORT, **change}.items() if value != "<left out>"}
    return Refused("POST", "/tickets", status, code, body)


REQUESTS: tuple[Refused, ...] = (
    # What the path cannot take
    *(Refused("GET", f"/tickets/{number}", 400, "malformed") for number in _NO_NUMBERS),
    *(Refused("GET", f"/tickets/{number}", 404, "not_found") for number in (0, -1, 999, 2**63, 10**30)),
    *(Refused("GET", f"/tickets/{number}/timeline", 404, "not_found") for number in (0, 999, 2**63)),
    *(Refused("GET", f"/tickets/{number}/checklist", 404, "not_found") for number in (0, 999, 2**63)),
    *(Refused(*write[:2], 404, "ticket_not_found", write[2], ANY) for write in
      ((method, path.format(n=number), body) for method, path, body in _WRITES for number in (0, -3, 999, 2**63))),
    *(Refused(method, path.format(n="x"), 400, "malformed", body, ANY) for method, path, body in _WRITES),
    *(Refused(method, "/tickets/1", 405, "method_not_allowed") for method in ("PUT", "PATCH", "DELETE", "POST")),
    *(Refused("DELETE", path, 405, "method_not_allowed") for path in ("/tickets", "/tickets/1/timeline")),
    *(Refused("GET", path, 404, "not_found") for path in ("/ticket", "/tickets/1/notes", "/tickets/1/start/now")),
    # What a list cannot be asked
    *(Refused("GET", f"{path}?limit={limit}", 400, "malformed") for path in _LISTS for limit in (0, 201, "x", -1)),
    *(Refused("GET", f"{path}?cursor={cursor}", 400, "malformed") for path in _LISTS for cursor in _CURSORS),
    *(Refused("GET", f"/tickets?{query}", 400, "malformed") for query in (
        "state=closed", "state=", "source=root", "sort=title", "sort=--opened", "q=ab", "q=%20a", "kind=%00",
        "subject=lift", "subject=lift/3", "subject=other/", "subject=device/%00", f"q={'x' * 501}",
        f"integration={'x' * 501}", "space=%00", "q=abc%00")),
    *(Refused("GET", f"/tickets/1/timeline?{query}", 400, "malformed") for query in (
        "type=comment-added", "type=", "sort=at", "sort=-", "cursor=Wy0zXQ", "sort=-version&cursor=WzNd",
        "sort=-version&cursor=Wy0yMTQ3NDgzNjQ4XQ", "sort=-version&cursor=W2ZhbHNlXQ", "sort=-version&cursor=WzBd")),
    Refused("GET", "/tickets/count?state=closed", 400, "malformed"),
    Refused("GET", "/tickets/export?format=xml", 400, "malformed"),
    Refused("GET", "/tickets/export?timeline=perhaps", 400, "malformed"),
    # What a report cannot say
    *(Refused("POST", "/tickets", 400, "malformed", body) for body in _NO_JSON),
    *(_opened(400, "malformed", subject=subject) for subject in
      ("<left out>", None, "lift", {}, {"type": "lift", "id": "3"}, {"type": "other"}, {"type": "other", "id": ""},
       {"type": "other", "id": "x" * 201}, {"type": "other", "id": "a\x00"})),
    *(_opened(400, "malformed", **{name: value}) for name, value in
      (("title", 7), ("title", None), ("kind", 7), ("links", None), ("links", [7]), ("dedup_key", 7), ("space", 7))),
    *(_opened(400, "title_empty", title=title) for title in ("<left out>", "", " \t\n")),
    *(_opened(400, "title_too_long", title=title) for title in ("x" * 201, "a\nb", "a\x00b")),
    *(_opened(400, "kind_invalid", kind=kind) for kind in ("", " ", "x" * 121, "a\nb")),
    *(_opened(400, "key_invalid", dedup_key=key) for key in ("", "x" * 401, "a\nb", "a\x00")),
    *(_opened(403, "key_reserved", dedup_key=key) for key in _RESERVED),
    *(_opened(403, "kind_reserved", kind=kind) for kind in MONITOR_KINDS),
    *(_opened(413, "text_too_long", description=text) for text in (LONG, "ø" * 40_000)),
    *(_opened(400, "link_invalid", links=[{**LINK, "url": url}]) for url in _BAD_URLS),
    _opened(400, "too_many_links", links=[LINK] * 11),
    Refused("POST", "/tickets", 413, "too_large", {**REPORT, "description": "x" * 1_100_000}),
    # What cannot be done to a ticket
    *(Refused("POST", f"/tickets/{number}/{move}", 409, "wrong_state") for number, move in
      ((2, "start"), (2, "move-to-open"), (3, "reopen"))),
    *(Refused("POST", f"/tickets/1/{move}", 413, "text_too_long", {"comment": LONG}) for move in ("start", "resolve")),
    *(Refused("POST", f"/tickets/1/{move}", 400, "malformed", body) for move in MOVES
      for body in ({"comment": 7}, "{", "[]")),
    *(Refused("POST", "/tickets/1/comments", 400, code, body) for code, body in _NO_COMMENTS),
    Refused("POST", "/tickets/1/comments", 413, "text_too_long", {"comment": LONG}),
    Refused("PUT", "/tickets/1/description", 428, "precondition_missing", {"description": "One."}),
    *(Refused("PUT", "/tickets/1/description", 400, "malformed", {"description": "One."}, {"if-match": seen})
      for seen in ("1", '"x"', 'W/"1"', '"1", "2"', '"-1"', '"12345678901"', "**")),
    Refused("PUT", "/tickets/1/description", 412, "description_changed", {"description": "One."}, {"if-match": '"7"'}),
    Refused("PUT", "/tickets/1/description", 413, "text_too_long", {"description": LONG}, ANY),
    *(Refused("PUT", "/tickets/1/description", 400, "malformed", body, ANY) for body in ({}, {"description": 7}, "{")),
    Refused("PUT", "/tickets/1/links", 428, "precondition_missing", {"links": [LINK]}),
    *(Refused("PUT", "/tickets/1/links", 400, "malformed", body, ANY)
      for body in ({}, {"links": None}, {"links": [7]})),
    *(Refused("PUT", "/tickets/1/links", 400, "link_invalid", {"links": [{**LINK, "label": label}]}, ANY)
      for label in _BAD_LABELS),
    *(Refused("PUT", "/tickets/1/links", 400, "link_invalid", {"links": [{**LINK, "url": url}]}, ANY)
      for url in _BAD_URLS),
    Refused("PUT", "/tickets/1/links", 412, "description_changed", {"links": [LINK]}, {"if-match": '"7"'}),
    *(Refused("POST", "/tickets/bulk", 400, "malformed", body) for body in
      ({}, {"action": "start"}, {"action": "start", "numbers": []}, {"action": "delete", "numbers": [1]},
       {"action": "start", "numbers": [1] * 201}, {"action": "start", "numbers": ["x"]}, "{", "[]")),
    *(Refused("POST", "/tickets/verify", 400, "malformed", body) for body in _NO_WITNESSES),
    # Who may not, and how not
    *(Refused(method, path.format(n=1), 403, "forbidden", body, ANY, "viewer") for method, path, body in _WRITES),
    Refused("POST", "/tickets", 403, "forbidden", REPORT, role="viewer"),
    Refused("POST", "/tickets/bulk", 403, "forbidden", {"action": "start", "numbers": [1]}, role="viewer"),
    *(Refused("PUT", "/ticket-policy", 403, "forbidden", {}, role=role) for role in ("viewer", "operator")),
    Refused("GET", "/tickets", 403, "forbidden", role="ingest"),
    *(Refused("POST", "/tickets", 401, "token_invalid", REPORT, {"authorization": f"Bearer {token}"})
      for token in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.")),
    *(Refused("POST", "/tickets", 401, "token_missing", REPORT, {"authorization": text})
      for text in ("", "Basic YTpi", "Bearer", "Bearer ")),
    *(Refused("POST", "/tickets", 400, "malformed", REPORT, {"idempotency-key": key}) for key in ("", "x" * 257)),
    *(Refused("PUT", "/ticket-policy", 400, "malformed", body, role="admin") for body in _NO_POLICIES),
)  # fmt: skip
