"""What pages say and show: Markdown that cannot act, addresses, durations, and whose path a path is."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from console_html import elements
from hypothesis import given
from hypothesis import strategies as st

from fettle_console.domain.origins import local_path
from fettle_console.domain.routing import ANSWER_HEADERS, REQUEST_HEADERS, Owner, owner_of, passing
from fettle_console.views.list_query import ListQuery
from fettle_console.views.markdown import first_words, render
from fettle_console.views.words import exactly, relative

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    '[x](https://a.example "onmouseover=alert(1)")',
    "![x](https://tracker.example/pixel.gif)",
    "<iframe src=https://evil.example></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    "<style>body{display:none}</style>",
    "<form action=https://evil.example><button>x</button></form>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<details open ontoggle=alert(1)>",
    "| a |\n|---|\n| <b onclick=alert(1)>x</b> |",
]


def assert_harmless(html: str) -> None:
    for tag, attributes in elements(html):
        assert tag not in ("script", "img", "svg", "iframe", "style", "form", "button", "details", "input", "object")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "id", "class", "src")]
        assert re.match(r"(https?:|mailto:|#|/|[^:]*$)", attributes.get("href") or "", re.IGNORECASE)


@pytest.mark.rule("AC-24")
@pytest.mark.parametrize("text", ATTACKS)
def test_markdown_cannot_act(text: str) -> None:
    assert_harmless(render(text))


@pytest.mark.rule("AC-24")
@given(
    st.lists(
        st.sampled_from([*ATTACKS, "*", "_", "`", "[", "](", ")", "<", ">", "\n", "&", '"', "'", "javascript:", "x"])
    ).map("".join)
)
def test_no_mixture_of_attacks_can_act(text: str) -> None:
    assert_harmless(render(text))


@pytest.mark.rule("AC-24")
def test_markdown_means_what_people_expect() -> None:
    html = render("# Head\n\nSince *this* **morning** ~~now~~\n\n- a\n- b\n\n[WO-7](https://a.example/7) `code`")
    assert "<h3>Head</h3>" in html
    assert "<em>this</em> <strong>morning</strong> <s>now</s>" in html
    assert '<a href="https://a.example/7" rel="noopener noreferrer nofollow">WO-7</a>' in html
    assert "<code>code</code>" in html


@pytest.mark.rule("AC-24")
def test_raw_html_is_shown_as_text() -> None:
    assert "&lt;script&gt;" in render("<script>alert(1)</script>")


@pytest.mark.rule("AC-30")
def test_a_comment_in_the_list_is_its_first_words_on_one_line() -> None:
    assert first_words("**On** my way\n\n- with `a` ladder") == "On my way with a ladder"
    long = first_words("word " * 50, 40)
    assert len(long) <= 40
    assert long.endswith("word…")


@pytest.mark.rule("AC-30")
@pytest.mark.parametrize(
    ("ago_s", "shown"),
    [
        (-3, "now"),
        (4, "now"),
        (5, "5 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (47 * 3600, "47 h"),
        (48 * 3600, "2 d"),
    ],
)
def test_times_are_relative_in_one_unit(ago_s: int, shown: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert relative(now - timedelta(seconds=ago_s), now) == shown


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.strip)


@pytest.mark.rule("AC-30")
@given(
    st.builds(
        ListQuery,
        state=st.sampled_from(["open", "in_progress", "resolved", "all"]),
        sort=st.sampled_from(["-opened", "opened", "number"]),
        q=texts,
        source=texts,
        kind=texts,
        subject=texts,
        integration=texts,
        space=texts,
        cursor=texts,
    )
)
def test_every_view_is_an_address_that_shows_it_again(query: ListQuery) -> None:
    assert ListQuery.read(dict(parse_qsl(query.address().removeprefix("?"), keep_blank_values=True))) == query


@pytest.mark.rule("AC-30")
def test_what_an_address_says_wrongly_counts_as_not_said() -> None:
    assert ListQuery.read({"state": "gone", "sort": "price", "q": " x "}) == ListQuery(q="x")
    assert ListQuery().address() == ""
    assert ListQuery(cursor="abc", q="lift").but(state="all") == "?state=all&q=lift"


@pytest.mark.rule("AC-4")
@pytest.mark.parametrize(
    ("rest", "owner"),
    [
        ("tickets", Owner.TICKETS),
        ("tickets/42/start", Owner.TICKETS),
        ("ticket-policy", Owner.TICKETS),
        ("subjects/device/a%2Fb", Owner.HEALTH),
        ("health-policy", Owner.HEALTH),
        ("workflows/x/runs", Owner.WORKFLOWS),
        ("runs/1", Owner.WORKFLOWS),
        ("silences/0198", Owner.HEALTH),
        ("why", Owner.HEALTH),
        ("verify", Owner.HEALTH),
        ("", None),
        ("ticketsx", None),
        ("tickets/../../other/tickets", None),
        ("tickets/%2e%2E/x", None),
        ("subjects/device/./x", None),
    ],
)
def test_a_path_has_one_owner_or_none(rest: str, owner: Owner | None) -> None:
    assert owner_of(rest) is owner


@pytest.mark.rule("AC-4", "WF-147")
def test_credentials_and_hop_headers_do_not_pass() -> None:
    asked = [
        ("Authorization", "Bearer x"),
        ("Cookie", "a=b"),
        ("Connection", "close"),
        ("If-Match", '"3"'),
        ("Host", "h"),
        ("Fettle-Causation-Depth", "3"),
    ]
    assert passing(asked, REQUEST_HEADERS) == [("if-match", '"3"'), ("fettle-causation-depth", "3")]
    said = [("Transfer-Encoding", "chunked"), ("Set-Cookie", "a=b"), ("Content-Type", "text/csv"), ("Server", "x")]
    assert passing(said, ANSWER_HEADERS) == [("content-type", "text/csv")]


@pytest.mark.rule("AC-20")
@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:x", ""]
)
def test_a_sign_in_leads_nowhere_else(path: str) -> None:
    assert local_path(path) == ""


@pytest.mark.rule("AC-20")
def test_a_sign_in_leads_to_the_page_that_was_wanted() -> None:
    assert local_path("/orgs/acme/tickets?q=x") == "/orgs/acme/tickets?q=x"


@pytest.mark.rule("AC-163")
def test_people_are_told_apart_by_their_address_and_tokens_are_known_by_their_name() -> None:
    assert exactly("Ann", "ann@acme.test") == "Ann (ann@acme.test)"
    assert exactly("Night job", "token/01a21cb3") == "Night job"
    assert exactly("ann@acme.test", "ann@acme.test") == "ann@acme.test"
