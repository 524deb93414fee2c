"""Templates: what they can say, and everything that they cannot do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_workflow_engine.adapters.templates import OUTPUT_LIMIT, JinjaTemplates
from fettle_workflow_engine.domain.languages import RenderFailed

TEMPLATES = JinjaTemplates()

EVENT: dict[str, Any] = {
    "entry": {"at": "2026-11-23T10:15:30.250Z"},
    "ticket": {
        "title": "Device offline: T17",
        "number": 42,
        "space": None,
        "description": "x" * 40_000,
        "parent": None,
        "links": [{"label": "WO-7", "url": "https://a"}, {"label": "WO-8", "url": "https://b"}],
        "checklist": {"total": 2, "items": [{"name": "a"}, {"name": "b"}]},
    },
    "many": list(range(200)),
}


@pytest.mark.rule("WF-4")
@pytest.mark.parametrize("sign", ["x", "ø"])
def test_exactly_64_kib_of_text_are_made_and_not_one_byte_more(sign: str) -> None:
    text = sign * (OUTPUT_LIMIT // len(sign.encode()) - 10) + "y" * 10 * len(sign.encode())
    source = "{{ event.a }}{{ event.b }}"
    assert TEMPLATES.render(source, {"event": {"a": text[:9], "b": text[9:]}}) == text
    with pytest.raises(RenderFailed, match="longer than 64 KiB"):
        TEMPLATES.render(source, {"event": {"a": text, "b": "y"}})


def render(source: str) -> str:
    assert TEMPLATES.read(source).complaints == ()
    return TEMPLATES.render(source, {"event": EVENT, "tell": {"error": {"message": "no route"}}})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{ event.ticket.title }} #{{ event.ticket.number }}", "Device offline: T17 #42"),
        ("{{ event['ticket'].links[1].label }}", "WO-8"),
        ("[{{ event.ticket.space }}]", "[]"),
        ("{{ event.ticket.space | default('nowhere') }}", "nowhere"),
        ("{{ event.ticket.nothing | default('nowhere') }}", "nowhere"),
        ("{{ event.ticket.space or 'nowhere' }}", "nowhere"),
        ("{{ event.ticket.checklist.items | length }}", "2"),
        ("{{ event.ticket.checklist.items }}", '[{"name": "a"}, {"name": "b"}]'),
        ("{{ event.ticket.number > 40 }}", "true"),
        ("{% if event.ticket.space %}at{% else %}off{% endif %}", "off"),
        (
            "{% for l in event.ticket.links %}{{ loop.index }}:{{ l.label }}{{ ', ' if not loop.last }}{% endfor %}",
            "1:WO-7, 2:WO-8",
        ),
        ("{{ ['a', event.ticket.number] | join('/') }}", "a/42"),
        ("{{ event.ticket.title | upper | truncate(8) }}", "DEVICE …"),
        ("{{ event.ticket.number / 4 }} {{ (event.ticket.number / 4) | round | int }}", "10.5 10"),
        ("{{ tell.error.message }}", "no route"),
        ("{{ event.ticket.parent is none }} {{ event.ticket.nothing is defined }}", "true false"),
        ("{% raw %}{{ x }}{% endraw %}{# nobody reads this #}", "{{ x }}"),
    ],
)
def test_what_templates_can_say(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.rule("WF-4")
@pytest.mark.parametrize(
    "source",
    [
        "{{ event.ticket.title.upper() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ range(1000000) }}",
        "{% set x = 1 %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'a' %}",
        "{% macro a() %}{% endmacro %}",
        "{% block a %}{% endblock %}",
        "{% for a in event.many recursive %}{% endfor %}",
        "{{ {'a': 1} }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ event.many | map('upper') }}",
        "{{ event.ticket.title | replace('a', 'b') }}",
        "{{ event.ticket.title | attr('upper') }}",
        "{{ event.ticket.title is callable }}",
        "{{ " + "(" * 300 + "1" + ")" * 300 + " }}",
        "{{ " + "-" * 900 + "1 }}",
        "{{ " + "[" * 60 + "]" * 60 + " }}",
        "x" * 16_385,
        "{{ ",
        "{% if %}",
    ],
)
def test_what_could_do_harm_is_refused_when_saved(source: str) -> None:
    assert TEMPLATES.read(source).complaints


@pytest.mark.rule("WF-4")
@pytest.mark.parametrize(
    "source",
    [
        "{{ event.__class__ }}",
        "{{ event.keys }}",
        "{{ 'a' * 100000000 }}",
        "{{ event.many * 100000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ event.ticket.description }}{{ event.ticket.description }}",
        "{{ event.many | join(event.ticket.description) }}",
        "{% for a in event.many %}{% for b in event.many %}{% endfor %}{% endfor %}",
        "{% for a in event.ticket.description %}{% endfor %}",
        "{{ self }}{{ self.x }}",
    ],
)
def test_what_could_grow_or_look_elsewhere_fails(source: str) -> None:
    with pytest.raises(RenderFailed):
        render(source)


@pytest.mark.rule("WF-5")
@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("{{ event.ticket.nothing }}", "'nothing' cannot be used: it is not there"),
        ("{{ event.ticket.nothing or 'x' }}", "'nothing'"),
        ("{{ event.ticket.parent.number }}", "'number' cannot be used: what it belongs to is null"),
        ("{{ begun.ticket.id }}", "'begun' is undefined"),
        ("{% for a in event.nothing %}{% endfor %}", "'nothing'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ event.ticket.title > 5 }}", "not supported"),
        ("{{ event.ticket.title | abs }}", "abs"),
    ],
)
def test_a_value_that_is_not_there_is_named(source: str, named: str) -> None:
    with pytest.raises(RenderFailed) as failure:
        render(source)
    assert named in str(failure.value)


def test_names_in_what_an_empty_loop_says_are_found() -> None:
    read = TEMPLATES.read("{% for x in event.all %}{{ x }}{% else %}{{ event.none }}{% endfor %}")
    assert [mention.path for mention in read.mentions] == [("event", "all"), ("event", "none")]


@pytest.mark.rule("WF-164")
def test_a_value_is_one_part_of_an_address() -> None:
    source = "https://a.example/{{ event.id | urlencode }}/restart"
    for id, part in (
        ("t-17_a.b~c", "t-17_a.b~c"),
        ("../../x", "..%2F..%2Fx"),
        ("a b?#&", "a%20b%3F%23%26"),
        ("%2F\\@ø", "%252F%5C%40%C3%B8"),
        (17, "17"),
    ):
        assert TEMPLATES.render(source, {"event": {"id": id}}) == f"https://a.example/{part}/restart"
    for event in ({"id": "."}, {"id": ".."}, {"id": ""}, {"id": None}, {"id": "x" * 2_001}, {}):
        with pytest.raises(RenderFailed):
            TEMPLATES.render(source, {"event": event})


@pytest.mark.rule("WF-148")
def test_a_loop_takes_ten_thousand_turns_and_not_one_more() -> None:
    loop = "{% for x in event.all %}{% endfor %}"
    assert TEMPLATES.render(loop, {"event": {"all": [1] * 10_000}}) == ""
    with pytest.raises(RenderFailed, match="loops take at most 10000 turns"):
        TEMPLATES.render(loop, {"event": {"all": [1] * 10_001}})


@pytest.mark.rule("WF-148")
def test_what_is_compared_counts_by_its_size() -> None:
    loop = "{% for x in event.all %}{{ x == event.long }}{% endfor %}"
    assert TEMPLATES.render(loop, {"event": {"all": ["a"] * 100, "long": "b"}}) == "false" * 100
    with pytest.raises(RenderFailed, match="longer than 50 ms"):
        TEMPLATES.render(loop, {"event": {"all": ["a"] * 100, "long": "b" * 60_000}})


def test_separators_are_64_kib_at_most() -> None:
    joined = "{{ event.all | join(event.between) }}"
    assert TEMPLATES.render(joined, {"event": {"all": ["a", "b"], "between": "-" * 32_768}}).endswith("-b")
    with pytest.raises(RenderFailed, match="the joined text is too long"):
        TEMPLATES.render(joined, {"event": {"all": ["a", "b"], "between": "-" * 32_769}})


def test_json_has_letters_as_they_are() -> None:
    assert TEMPLATES.render("{{ event.a | json }}", {"event": {"a": ["Ærø"]}}) == '["Ærø"]'


@pytest.mark.parametrize("value", ["text", {"a": 1}])
def test_a_loop_goes_over_a_list(value: object) -> None:
    with pytest.raises(RenderFailed, match="a loop goes over a list"):
        TEMPLATES.render("{% for x in event.all %}{% endfor %}", {"event": {"all": value}})


def test_names_are_found_with_their_lines() -> None:
    reading = TEMPLATES.read(
        "{{ event.a }}\n{% for x in event.b.c if x.y %}{{ x.z }}{{ event[x.k].d }}{{ tell['e'] }}{% endfor %}"
    )
    assert [(mention.path, mention.place.line) for mention in reading.mentions] == [
        (("event", "a"), 1),
        (("event",), 2),
        (("tell", "e"), 2),
        (("event", "b", "c"), 2),
    ]


@pytest.mark.rule("WF-4")
@given(st.text(alphabet=st.sampled_from(list("{}%|#-.[]()'\" \nabeventicklsfori0159*+~<=>_,:")), max_size=120))
def test_no_text_gets_more_than_its_answer(source: str) -> None:
    """Whatever is written, reading answers, and what was read without complaint is filled or fails in its one way."""
    reading = TEMPLATES.read(source)
    if reading.complaints:
        return
    try:
        text = TEMPLATES.render(source, {"event": EVENT})
    except RenderFailed:
        return
    assert len(text.encode()) <= OUTPUT_LIMIT
