"""No template takes longer than 50 ms, whatever it is and whatever it is filled with; and what people write passes."""

import time
from contextlib import suppress
from typing import Any

import pytest

from fettle_workflow_engine.adapters.templates import OUTPUT_LIMIT, SOURCE_LIMIT, JinjaTemplates
from fettle_workflow_engine.domain.languages import RenderFailed

TEMPLATES = JinjaTemplates()
LIMIT_S = 0.050
MANY = 10_000
DATA: dict[str, Any] = {
    "list": list(range(MANY)),
    "words": ["abcdefgh"] * 9_000,
    "text": "x" * 100_000,
    "foreign": "æø😀" * 30_000,
    "objects": [{"a": i, "b": {"c": "d" * 20}} for i in range(3_000)],
    "object": {f"k{i}": f"v{i}" for i in range(9_000)},
    "none": None,
    "number": 5,
    "digits": -3_000_000,
    "hex": "f" * 60_000,
    "long": "z" * 100_000,
    "chars": "y" * 100_000 + "z",
    "items": [{"id": f"t{i}", "name": "Thermostat", "recovered": i % 2 == 0} for i in range(100)],
}


def fill(part: str, between: str = "") -> str:
    """As often as the limit lets it stand, with room for something around it."""
    return between.join([part] * ((SOURCE_LIMIT - 400) // (len(part) + len(between))))


def each(body: str, of: str = "list") -> str:
    return f"{{% for i in event.{of} %}}{body}{{% endfor %}}"


NAMES = tuple(f"event.{name}" for name in ("text", "foreign", "list", "words", "objects", "object"))
WORST = (
    each(fill("{{ event.none }}")),
    each(fill("{{ i|default(event.none)|int|abs }}")[:9_000].rpartition("}}")[0] + "}}"),
    each("{% if i * 3 % 7 == 8 %}a{% endif %}"),
    *(each("{% if " + name + "|json == '' %}a{% endif %}") for name in NAMES),
    *(each("{% if i in " + name + " %}a{% endif %}", "words") for name in NAMES),
    *(each("{% if i is in(" + name + ") %}a{% endif %}", "words") for name in NAMES),
    *(each("{% if " + name + " == " + name + " %}{% endif %}") for name in NAMES),
    *(each("{{ " + name + "|upper|length }}") for name in NAMES),
    *(each("{{ " + name + "|truncate(1) }}") for name in NAMES),
    *("{% if " + fill(name, " ~ ")[:8_000].rpartition(" ~ ")[0] + " == '' %}a{% endif %}" for name in NAMES),
    *("{% if " + fill(name, " + ")[:300].rpartition(" + ")[0] + " == '' %}a{% endif %}" for name in NAMES),
    *(fill("{{ " + name + "|json|length }}") for name in NAMES[::4]),
    *(fill("{{ " + name + "|lower|upper|title|capitalize|trim|length }}") for name in NAMES[::4]),
    *(each("{{ event." + name + "|truncate(2000)|urlencode|length }}") for name in ("text", "foreign")),
    each("{{ i|urlencode }}"),
    fill("{{ event.foreign|urlencode }}"),
    fill("{{ event.words|join('')|length }}"),
    each(each("{{ i }}"), "words"),
    "{% for i in event.list if i == event.words %}{% endfor %}",
    "{{ event.number|round(event.digits) }}",
    "{{ event.number|round(3000000, 'ceil') }}",
    "{{ " + "*".join(["(event.hex|int(0, 16))"] * 20) + " }}",
    "{{ event.long|trim(event.chars) }}",
)


@pytest.mark.rule("WF-148")
@pytest.mark.parametrize("source", WORST, ids=range(len(WORST)))
def test_no_template_takes_longer_than_fifty_milliseconds(source: str) -> None:
    """By this thread's own processor time, and the least of thirty: a machine that does other things is no slower."""
    assert TEMPLATES.read(source).complaints == ()
    taken: list[float] = []
    while len(taken) < 30 and min(taken, default=1) > LIMIT_S / 2:
        begun = time.thread_time()
        with suppress(RenderFailed):
            TEMPLATES.render(source, {"event": DATA})
        taken.append(time.thread_time() - begun)
    assert min(taken) < LIMIT_S, source[:200]


@pytest.mark.rule("WF-148")
@pytest.mark.parametrize(
    ("source", "length"),
    [
        (each("- {{ 'x' if i.recovered else '-' }} {{ loop.index0 % 10 }} {{ i.name|upper }}\n", "items"), 1_700),
        (each("{{ i }}"), 38_890),
        ("{{ event.words|json|length }} {{ event.objects|length }}", 11),
        ("{{ event.text|truncate(200)|title }}", 200),
        ("{% if 'y' in event.text or 9 in event.list %}yes{% endif %}", 3),
        (fill("{{ event.none }}"), 0),
    ],
)  # fmt: skip
def test_what_people_write_passes(source: str, length: int) -> None:
    assert len(TEMPLATES.render(source, {"event": DATA})) == length


@pytest.mark.rule("WF-148")
@pytest.mark.parametrize("source", ["{{ 5|round(-3000000) }}", "{{ 5|round(3000000, 'floor') }}"])
def test_nor_does_reading_one(source: str) -> None:
    """What stands in a template is worked out when it is read."""
    begun = time.thread_time()
    JinjaTemplates().read(source)
    assert time.thread_time() - begun < LIMIT_S


@pytest.mark.rule("WF-148")
def test_numbers_are_rounded_and_read_as_ever() -> None:
    source = (
        "{{ n|round(2) }} {{ n|round(1, 'ceil') }} {{ 1234|round(-2) }} {{ 'ff'|int(0, 16) }} {{ '.a.'|trim('.') }}"
    )
    assert TEMPLATES.render(source, {"n": 2.345}) == "2.35 2.4 1200 255 a"
    for filtered in ("5|round('2')", "event.number|round(101)", "event.long|trim(event.chars)"):
        with pytest.raises(RenderFailed):
            TEMPLATES.render("{{ " + filtered + " }}", {"event": DATA})


@pytest.mark.rule("WF-4")
def test_a_text_of_64_kib_passes_and_one_byte_more_does_not() -> None:
    whole = "x" * OUTPUT_LIMIT
    assert TEMPLATES.render("{{ a }}{{ b }}", {"a": whole, "b": ""}) == whole
    for more in ("x", "ø"):
        with pytest.raises(RenderFailed, match="longer than 64 KiB"):
            TEMPLATES.render("{{ a }}{{ b }}", {"a": whole, "b": more})


@pytest.mark.rule("WF-148")
def test_the_same_template_over_the_same_data_always_comes_to_the_same() -> None:
    """What is counted begins anew for each text."""
    source = each("{{ i }}")
    assert len({TEMPLATES.render(source, {"event": DATA}) for _ in range(3)}) == 1
