"""`fettle tickets link` against a small real API: what is read, what is put, how it ends."""

import json

import pytest
from cli.tests.fettle_api import FettleApi, ticket
from cli.tests.ran import Fettle

WORK_ORDER = {"label": "WO-7", "url": "https://orders.test/7?a=b"}
MANUAL = {"label": "Manual", "url": "https://vendor.test/t100"}
PHOTO = {"label": "Photo", "url": "https://photos.test/1"}


@pytest.mark.rule("AC-60")
def test_without_a_change_the_links_are_shown(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[WORK_ORDER, MANUAL]))
    shown = fettle("tickets", "link", "42")
    assert shown.status == 0
    assert [line.split() for line in shown.out.splitlines()] == [
        ["LABEL", "URL"],
        ["WO-7", WORK_ORDER["url"]],
        ["Manual", MANUAL["url"]],
    ]
    assert json.loads(fettle("tickets", "link", "42", "--json").out) == ticket(42, links=[WORK_ORDER, MANUAL])
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[]))
    assert fettle("tickets", "link", "42").out == "No links.\n"
    assert {request.method for request in api.requests} == {"GET"}


@pytest.mark.rule("AC-60")
def test_links_are_added_and_removed_on_the_version_that_was_seen(fettle: Fettle, api: FettleApi) -> None:
    answer = ticket(42, links=[MANUAL, WORK_ORDER, PHOTO], new_field=True)
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[{**WORK_ORDER, "url": "https://old.test"}, MANUAL]))
    api.on("PUT", "orgs/acme/tickets/42/links", answer)
    adding = [part for one in (WORK_ORDER, PHOTO) for part in ("--add", f"{one['label']}={one['url']}")]
    ran = fettle("tickets", "link", "42", *adding, "--remove", "WO-7", "--json")
    assert (ran.status, json.loads(ran.out)) == (0, answer)
    assert api.last.json == {"links": [MANUAL, WORK_ORDER, PHOTO]}
    assert api.last.headers["if-match"] == '"3"'


@pytest.mark.rule("AC-60")
def test_a_link_that_is_there_is_not_added_again(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[MANUAL]))
    api.on("PUT", "orgs/acme/tickets/42/links", ticket(42, links=[MANUAL, PHOTO]))
    adding = [part for one in (MANUAL, PHOTO, PHOTO) for part in ("--add", f"{one['label']}={one['url']}")]
    assert fettle("tickets", "link", "42", *adding).out.splitlines()[-1].split() == ["Photo", PHOTO["url"]]
    assert api.last.json == {"links": [MANUAL, PHOTO]}


@pytest.mark.rule("AC-61")
def test_a_label_that_is_not_there_is_named_beside_those_that_are(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[WORK_ORDER, MANUAL]))
    ran = fettle("tickets", "link", "42", "--remove", "WO-8", "--remove", "Manual")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "fettle: no link was changed: none is called WO-8; the ticket's links: WO-7, Manual\n"
    assert [request.method for request in api.requests] == ["GET"]


@pytest.mark.rule("AC-61")
def test_an_edit_meanwhile_is_said_with_the_way_out(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[]))
    detail = "The description is at version 4, the edit was made on version 3."
    api.refuse("PUT", "orgs/acme/tickets/42/links", 412, "description_changed", detail)
    ran = fettle("tickets", "link", "42", "--add", "WO-7=https://orders.test/7")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"fettle: no link was changed, the ticket was edited meanwhile ({detail} [description_changed]); "
        "look at it and try again\n"
    )


@pytest.mark.rule("AC-61")
def test_another_refusal_is_said_as_it_is(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42, links=[]))
    api.refuse("PUT", "orgs/acme/tickets/42/links", 400, "link_invalid", "Link 1 needs an address.", field="links")
    ran = fettle("tickets", "link", "42", "--add", "WO-7=ftp://orders.test")
    assert (ran.status, ran.err) == (1, "fettle: links: Link 1 needs an address. [link_invalid]\n")
