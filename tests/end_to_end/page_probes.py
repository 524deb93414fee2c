"""What people of two orgs see of each other in the console, by each of its pages and its stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from typing import Self

import httpx2

from tests.end_to_end.console_pages import EVIL, LIVE, Acting, Page, pages, plain, reading, writing
from tests.end_to_end.isolation_words import NOBODYS, OWN, SECRET, Known
from tests.installation import OrgApi


class Looking:
    """A person of an org, in a browser of their own."""

    def __init__(self, api: OrgApi, url: str) -> None:
        self.http, self.org = httpx2.Client(base_url=url, timeout=30.0), api.org
        self.ours = {"origin": url}
        token = api.new_token("admin", f"Ann of {api.org}")
        answer = self.http.post("/sign-in", data={"token": token}, headers=self.ours)
        assert answer.headers["location"] == f"/orgs/{api.org}/tickets"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


def stories(api: OrgApi) -> object:
    """All that a page could have changed in an org."""
    listed = [(ticket["number"], ticket["version"]) for ticket in api.tickets()]
    documents = [(one["workflow"], one["version"], one["enabled"]) for one in api.get("/workflows")["items"]]
    silences = [one["id"] for one in api.get("/silences", subject="device/theirs-17")["items"]]
    return listed, documents, silences, len(api.get("/runs")["items"])


def unlike_a_page(ann: Looking, own: Known) -> Iterator[str]:
    """What is wrong with the pages of somebody who may see all of it."""
    told = 0
    for each in reading():
        answer = ann.http.get(each.address(ann.org, own))
        policy = answer.headers["content-security-policy"]
        if answer.status_code != (400 if each.path.endswith(("/why", "/heard")) else 200):  # these need a subject
            yield f"{each} answers its own people {answer.status_code}"
        if "default-src 'none'; script-src 'self'" not in policy or "unsafe" in policy:
            yield f"{each}: {policy}"
        if (answer.headers["x-content-type-options"], answer.headers["cache-control"]) != ("nosniff", "no-store"):
            yield f"{each} may be kept, or taken for something else"
        if Acting(answer.text).found:
            yield f"{each} acts by itself: {Acting(answer.text).found}"
        told += SECRET in answer.text
    assert told >= 8, "acme has little to hide"


def page_probes(eve: Looking, theirs: Known, own: Known) -> Iterator[str]:
    """What a person of another org learns of acme by each page, and what they can do to it. Reads first: writes leave
    something of their own behind."""
    probed = [one for one in pages() if one.is_of_an_org and one.path != LIVE]
    for each in sorted(probed, key=lambda one: one.method != "GET"):
        hidden, nowhere, named, nothing = (
            _look(eve, each, org, known)
            for org, known in (("initech", theirs), ("nowhere", theirs), (eve.org, theirs), (eve.org, NOBODYS))
        )
        if hidden[0].status_code != 404 or hidden[1] != nowhere[1]:
            yield f"{each}: a page of acme is not as one of no org: {hidden[0].text[:300]}"
        if SECRET in hidden[0].text + named[0].text or named[1] != nothing[1]:
            yield f"{each}: what acme has is not as nobody's: {_difference(named[1], nothing[1])}"
        if EVIL in named[0].headers.get("location", ""):
            yield f"{each} leads elsewhere"
        for name in each.naming:
            found, none = (_ask(eve, each, own, {name: str(known.names[name])}) for known in (theirs, NOBODYS))
            if SECRET in found[0].text or found[1] != none[1]:
                yield f"{each}: acme's {name} is not as nobody's: {_difference(found[1], none[1])}"
    for headers in ({}, {"last-event-id": "0-0"}):
        with eve.http.stream("GET", "/orgs/initech/live", headers=headers) as answer:
            if answer.status_code != 404:
                yield f"the stream of acme is open to others: {answer.status_code}"


def _difference(found: tuple[int, str], none: tuple[int, str]) -> str:
    lines = unified_diff(none[1].splitlines(), found[1].splitlines(), lineterm="", n=0)
    return f"{found[0]}, {none[0]} " + "\n".join(lines)[:1000]


def _look(eve: Looking, each: Page, org: str, known: Known) -> tuple[httpx2.Response, tuple[int, str]]:
    form = {} if each.method == "GET" else each.form(known, OWN)
    answer = eve.http.request(each.method, each.address(org, known), data=form, headers=eve.ours)
    return answer, plain(answer, {**each.named(known), **form, "org": org})


def _ask(eve: Looking, each: Page, own: Known, said: dict[str, str]) -> tuple[httpx2.Response, tuple[int, str]]:
    answer = eve.http.get(each.address(eve.org, own), params=said, follow_redirects=True)
    return answer, plain(answer, said)


def forgeries(ann: Looking, own: Known) -> Iterator[str]:
    """Writes that another site has ann's browser send."""
    for each in writing():
        foreign: tuple[dict[str, str], ...] = (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "same-site"},
            {},
        )
        for headers in foreign:
            answer = ann.http.request(
                each.method, each.address(ann.org, own), data=each.form(own, SECRET), headers=headers
            )
            if answer.status_code != 403 or "This write does not count" not in answer.text:
                yield f"{each} takes a write of another site: {headers} {answer.status_code}"


def hear_both(ann: Looking, eve: Looking, acme: OrgApi, other: OrgApi) -> None:
    """Who follows the pages of one org, also from where somebody followed another's, hears of that org alone."""
    id, _ = _first_ticket(ann, {}, acme)
    for headers in ({}, {"last-event-id": id}):
        _, number = _first_ticket(eve, headers, acme, other)
        assert number == len(other.tickets())


def _first_ticket(looking: Looking, headers: dict[str, str], *orgs: OrgApi) -> tuple[str, int]:
    """Id and number of the first ticket that the pages hear of when one is opened in each of the orgs in turn."""
    with looking.http.stream("GET", f"/orgs/{looking.org}/live", headers=headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        for api in orgs:
            assert api.post("/tickets", {"title": SECRET, "subject": {"type": "other", "id": "x"}}).status_code == 201
        id = name = ""
        for line in lines:
            field, _, value = line.partition(": ")
            id, name = value if field == "id" else id, value if field == "event" else name
            if (field, name) == ("data", "ticket"):
                return id, json.loads(value)["number"]
    raise AssertionError("the stream ended")
