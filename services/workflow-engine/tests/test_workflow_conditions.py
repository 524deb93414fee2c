"""Conditions: CEL over the event, cut to what can be bounded."""

from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_workflow_engine.adapters.cel_needs import need_of, needs_of
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.domain.faults import Place
from fettle_workflow_engine.domain.languages import Complaint, Verdict

CONDITIONS = CelConditions()

EVENT: dict[str, Any] = {
    "org": "acme",
    "entry": {"at": "2026-11-23T10:15:30.250Z", "evidence": {"many": [*range(1_000)]}},
    "ticket": {"kind": "device_offline", "flap_count": 3, "space": None, "links": [{"label": "WO-7"}]},
}


def judge(source: str) -> Verdict:
    assert CONDITIONS.read(source).complaints == ()
    (verdict,) = CONDITIONS.judge([source], EVENT)
    return verdict


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ('event.ticket.kind == "device_offline" && event.ticket.flap_count < 5', True),
        ("event.ticket.flap_count >= 5", False),
        ('event["ticket"].kind.startsWith("device")', True),
        ('event.ticket.links.exists(l, l.label == "WO-7")', True),
        ("event.ticket.space == null", True),
        ('"event.nothing" == "event.nothing" // event.nothing', True),
        ('timestamp(event.entry.at).getHours("Europe/Oslo") == 11 || timestamp(event.entry.at).getHours() == 10', True),
        ("has(event.ticket.space)", True),
        (r'event.ticket.kind.matches(r"^device_\w+$")', True),
        ("event\n  .ticket .kind in ['device_offline']", True),
        ("size(event.ticket.links) == 1 ? true : false", True),
    ],
)
def test_what_conditions_can_say(source: str, holds: bool) -> None:
    assert judge(source) == Verdict(holds)


@pytest.mark.rule("WF-6")
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("event.ticket.nothing == 1", "'nothing' is not there"),
        ("event.ticket.kind > 1", "No such overload"),
        ("event.ticket.kind", "the expression gives str, not true or false"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "overflow"),
        ('event.ticket.kind.matches("[")', "regex"),
        ("event.entry.evidence.many.all(x, event.entry.evidence.many == [x])", "it could take longer than 10 ms"),
    ],
)
def test_what_cannot_be_decided_does_not_hold(source: str, problem: str) -> None:
    verdict = judge(source)
    assert not verdict.holds
    assert problem in str(verdict.problem)


@pytest.mark.rule("WF-1", "WF-31")
@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("event.org. == 'a'", Complaint("not a CEL expression: no viable alternative at input '. =='", Place(1, 12))),
        ("true &&\n  &&", Complaint("not a CEL expression: mismatched input '&&'", Place(2, 3))),
        ("event.org.strtsWith('a')", Complaint("unknown function 'strtsWith'", Place(1, 11), "startsWith")),
        ("", Complaint("not a CEL expression: mismatched input '<EOF>'", Place(1, 1))),
        ("a" * 4_097, Complaint("an expression has at most 4 KiB", Place(1, 1))),
        ("(" * 21 + "1" + ")" * 21, Complaint("an expression is nested at most 20 deep", Place(1, 1))),
        (
            "true &&\n [1].map(a, a) == [1]",
            Complaint("`map` is not part of conditions; exists, all and filter are", Place(2, 6)),
        ),
        (
            "event.a.exists(x, event.b.all(y, x == y))",
            Complaint("a loop in a loop is not part of conditions", Place(1, 27)),
        ),
        (
            "event.a.matches(event.b)",
            Complaint("the pattern of `matches` is a text that stands in the expression", Place(1, 9)),
        ),
        (
            "event.a.exists(x, 'a'.matches(x))",
            Complaint("the pattern of `matches` is a text that stands in the expression", Place(1, 23)),
        ),
        (
            "event.a.matches('a' + 'b')",
            Complaint("the pattern of `matches` is a text that stands in the expression", Place(1, 9)),
        ),
        (
            "event.a.matches('((a{30}){30}){30}')",
            Complaint("the pattern is too large: repeat fewer and smaller parts", Place(1, 17)),
        ),
        ("event.a.matches('(?x)a')", Complaint("the flag x is not part of patterns", Place(1, 17))),
        ("event.a.matches('[a[b]]')", Complaint("a set in a set is not part of patterns", Place(1, 17))),
        ("event.a.matches('" + "a" * 501 + "')", Complaint("a pattern has at most 500 characters", Place(1, 17))),
    ],
)  # fmt: skip
def test_what_a_condition_cannot_be(source: str, complaint: Complaint) -> None:
    assert complaint in CONDITIONS.read(source).complaints


@pytest.mark.rule("WF-31")
def test_a_pattern_has_500_characters() -> None:
    assert CONDITIONS.read_pattern("a" * 500) is None
    assert CONDITIONS.read_pattern("a" * 501) == "a pattern has at most 500 characters"


def test_names_are_found_with_their_places() -> None:
    reading = CONDITIONS.read("event.a.b == 1 &&\n evnt.c.exists(x, x.y in [event.d['e'].f, 'event.g'])")
    assert [(mention.path, mention.place) for mention in reading.mentions] == [
        (("event", "a", "b"), Place(1, 1)),
        (("evnt", "c"), Place(2, 2)),
        (("event", "d"), Place(2, 27)),
    ]


@pytest.mark.rule("WF-31")
def test_what_is_too_large_to_look_at_takes_nothing_from_the_others() -> None:
    event = {**EVENT, "data": {"many": [*range(6_000)]}}
    verdicts = CONDITIONS.judge(["event.data.many == []", 'event["org"] == "acme"', "event.org == 'acme'"], event)
    assert [verdict.problem for verdict in verdicts] == ["it names more than 6000 values of this data"] * 2 + [None]
    assert [verdict.holds for verdict in verdicts] == [False, False, True]


@pytest.mark.rule("WF-6")
def test_what_cannot_be_read_takes_nothing_from_conditions_that_do_not_name_it() -> None:
    event = {**EVENT, "data": {"half": "\ud800"}}
    broken, whole = CONDITIONS.judge(["event.data.half == 'a'", "event.org == 'acme'"], event)
    assert "the event cannot be read" in str(broken.problem)
    assert whole == Verdict(True)


@pytest.mark.rule("WF-6")
@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("taken.ticket.number == 42 || event.org == 'acme'", Verdict(True)),
        ("taken.ticket.number == 42", Verdict(False, "'taken' is not there")),
        ("failed.error.code == 'wrong_state'", Verdict(True)),
        ("failed.ticket.number == 42", Verdict(False, "'ticket' is not there")),
    ],
)
def test_an_if_is_judged_over_what_nodes_left(source: str, verdict: Verdict) -> None:
    assert CONDITIONS.judge_in(source, {"event": EVENT, "failed": {"error": {"code": "wrong_state"}}}) == verdict


def test_many_are_judged_over_one_event() -> None:
    sources = ["event.ticket.flap_count == 3", "event.ticket.nothing", "event.org == 'acme'", "true"]
    assert [verdict.holds for verdict in CONDITIONS.judge(sources, EVENT)] == [True, False, True, True]


@pytest.mark.rule("WF-6")
@given(st.text(alphabet=st.sampled_from(list("event.orgkisx()[]{}?:'\"&|!=<>+-*/%, \n/015rb\\")), max_size=80))
def test_no_text_gets_more_than_its_answer(source: str) -> None:
    if not CONDITIONS.read(source).complaints:
        (verdict,) = CONDITIONS.judge([source], EVENT)
        assert isinstance(verdict.holds, bool)


KINDS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(
    KINDS, st.sampled_from(["å", "\ud800"]), st.none(), st.integers(0, 3), st.booleans(), st.just([]), st.just({})
)  # fmt: skip
PARTS = st.one_of(
    st.builds("event.ticket.kind == '{}'".format, KINDS),
    st.builds('event.ticket . space == "{}"'.format, KINDS),
    st.builds("event.org == '''{}'''".format, KINDS),
    st.builds(r'event.org == "\x6{}"'.format, st.sampled_from("123")),
    st.builds("event.nothing.{} == 'a'".format, KINDS),
    st.builds("'{}' == event.org".format, KINDS),
    st.builds("!(event.org == '{}')".format, KINDS),
    st.builds("event.org == '{}' == true".format, KINDS),
    st.sampled_from(
        ["event.ticket.flap_count > 1", "event.org", "1 / 0 == 1", "true", "false", "event.org.matches('b|c')"]
    ),
)
EXPRESSIONS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.builds("{} && {}".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("({})".format, inner),
        st.builds("!({})".format, inner),
        st.builds("({}) ? {} : {}".format, inner, inner, inner),
        st.builds("[1].exists(x, {})".format, inner),
    ),
    max_leaves=6,
)


@pytest.mark.rule("WF-145")
@settings(deadline=None)
@given(
    sources=st.lists(EXPRESSIONS, min_size=1, max_size=8),
    org=VALUES,
    ticket=st.one_of(
        VALUES,
        st.fixed_dictionaries(
            {}, optional={"kind": VALUES, "space": VALUES, "flap_count": st.one_of(st.none(), st.integers(0, 3))}
        ),
    ),
)
def test_conditions_that_are_not_asked_say_what_they_would_have_said(
    sources: list[str], org: object, ticket: object
) -> None:
    """Together or alone, looked up or asked: the same verdicts with the same problems, as the library gives them."""
    event = {"org": org, "ticket": ticket}
    alone = (CONDITIONS._grouped((source,)) for source in sources)
    asked = [verdict for one in alone for verdict in CONDITIONS._asked(one, {"event": event})]
    assert CONDITIONS.judge(sources, event) == asked
    assert [verdict for source in sources for verdict in CONDITIONS.judge([source], event)] == asked


@pytest.mark.rule("WF-145")
@pytest.mark.parametrize(
    ("source", "need"),
    [
        ('event.ticket.kind == "a" && event.ticket.flap_count < 5', (("event", "ticket", "kind"), "a")),
        ("event.ticket.flap_count < 5 && (true || false) && event.org == 'a'", (("event", "org"), "a")),
        ("event.org == 'a' // && true || false", (("event", "org"), "a")),
        ("event.org == 'a' || true", None),
        ("event.org == 'a' && true || true", None),
        ("event.org == 'a' ? true : true", None),
        ("event.org == 'a' == false", None),
        ("(event.org == 'a')", None),
        (r'event.org == "\x61"', None),
        ("event.org == r'a'", None),
        ("event.org != 'a'", None),
        ("event.org == 'a' && [1].exists(event, event == 1)", (("event", "org"), "a")),
        ("[1].exists(event, event.org == 'a')", None),
        ("event['org'] == 'a'", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_an_expression_needs(source: str, need: tuple[tuple[str, ...], str] | None) -> None:
    assert need_of(source) == need


@pytest.mark.rule("WF-145")
def test_what_can_hold_comes_in_the_order_in_which_it_was_named() -> None:
    needs = needs_of(["event.org == 'a'", "true", "event.org == 'b'", "event.org == 'a' && true"])
    assert list(needs.met({"event": {"org": "a"}})) == [0, 1, 3]
    assert list(needs.met({"event": {}})) == [0, 1, 2, 3]


@pytest.mark.rule("WF-31")
def test_what_is_exactly_at_the_limits_is_taken() -> None:
    longest = "1 == 1" + " " * (4_096 - 6)
    deepest = "(" * 20 + "1 == 1" + ")" * 20
    for source in (longest, deepest, "'" + "ø" * 2_044 + "' != ''"):
        assert len(source.encode()) <= 4_096
        assert CONDITIONS.read(source).complaints == ()
        assert CONDITIONS.judge([source], EVENT) == [Verdict(True)]
    assert len(CONDITIONS.read(longest + " ").complaints) == 1
    assert len(CONDITIONS.read(f"({deepest})").complaints) == 1


@pytest.mark.rule("WF-150")
@pytest.mark.parametrize(
    "source",
    [
        "event.org == 'a' && [1].exists(event, event == 1)",
        "[1].exists(event, event == 1) && event.org == 'a'",
        "[{'org': 'b'}].exists(event, (event.org == 'b')) && event.org == 'a'",
        "event.tags.exists(event, event == 'b') && event.org == 'a'",
        "[event].all(event, event.org == 'a')",
        "size(event.tags.filter(org, org == 'b')) == 1 && event.org == 'a'",
    ],
)
@pytest.mark.parametrize("org", ["a", "b"])
def test_a_loop_hides_a_name_within_its_parentheses_alone(source: str, org: str) -> None:
    event = {"org": org, "tags": ["b"]}
    assert {mention.path[0] for mention in CONDITIONS.read(source).mentions} == {"event"}
    [verdict] = CONDITIONS.judge([source], event)
    assert verdict == Verdict(cel.compile(source).execute({"event": event}))
    assert verdict.holds is (org == "a")


@pytest.mark.rule("WF-145")
def test_what_lacks_what_it_needs_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred conditions one is, whatever the others name."""
    conditions, asked = CelConditions(), list[str]()
    real = conditions._one

    def one(source: str, context: Any) -> Verdict:
        asked.append(source)
        return real(source, context)

    monkeypatch.setattr(conditions, "_one", one)
    large = {**EVENT, "ticket": {**EVENT["ticket"], "links": list(range(10_000))}}
    sources = [f'event.ticket.kind == "kind_{n}" && size(event.ticket.links) > {n}' for n in range(99)]
    wanted = 'event.ticket.kind == "device_offline" && event.ticket.flap_count == 3'
    assert conditions.judge([*sources, wanted], large) == [*[Verdict(False)] * 99, Verdict(True)]
    assert asked == [wanted]
