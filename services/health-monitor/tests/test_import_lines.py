"""How lines of a registry import are read, without a database."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain.correlator.import_lines import (
    EntryLine,
    Format,
    Line,
    LineReader,
    RefusedLine,
    WrongHeader,
)
from fettle_health_monitor.domain.correlator.registration import Registration


def read(format: Format, text: str | bytes) -> list[Line]:
    reader = LineReader(format)
    body = text.encode() if isinstance(text, str) else text
    lines = [reader.read(number, line) for number, line in enumerate(body.splitlines(keepends=True), start=1)]
    return [line for line in lines if line is not None]


@pytest.mark.rule("HM-190")
def test_csv_and_ndjson_say_the_same() -> None:
    of_csv = read(
        "csv",
        "\N{BYTE ORDER MARK}id, type,name,space,interval_s\r\n"
        't17,device,"Lift, ""B""",oslo/hq,30\r\n'
        "\r\n"
        "a/b c,integration,,,\r\n",
    )
    of_json = read(
        "ndjson",
        '{"type":"device","id":"t17","name":"Lift, \\"B\\"","space":"oslo/hq","interval_s":30}\n\n\n'
        '{"type":"integration","id":"a/b c","name":null}',
    )
    said = Registration(name='Lift, "B"', space="oslo/hq", interval_s=30)
    assert of_csv == [
        EntryLine(2, SubjectRef.parse("device/t17"), said),
        EntryLine(4, SubjectRef.parse("integration/a/b c"), Registration()),
    ]
    assert [(line.subject, line.said) for line in of_json if isinstance(line, EntryLine)] == [
        (line.subject, line.said) for line in of_csv if isinstance(line, EntryLine)
    ]


WRONG_JSON = [
    ("{", None, "is not JSON"),
    ("[1]", None, "is not a JSON object"),
    ('"\xff"', None, "is not a JSON object"),
    ('{"type":"space","id":"a"}', "type", "must be device or integration"),
    ('{"type":"device","id":17}', "id", "must be text"),
    ('{"type":"device"}', "id", "must be text"),
    ('{"type":"device","id":""}', "id", "1 to 200 bytes"),
    ('{"type":"device","id":"a","intervall_s":3}', "intervall_s", "did you mean interval_s?"),
    ('{"type":"device","id":"a","owner":"x"}', "owner", "there are type, id, name"),
    ('{"type":"device","id":"a","interval_s":0}', "interval_s", "at least 1"),
    ('{"type":"device","id":"a","interval_s":true}', "interval_s", "must be a whole number"),
    ('{"type":"device","id":"a","interval_s":"60"}', "interval_s", "must be a whole number"),
    ('{"type":"device","id":"a","name":""}', "name", "at least 1 characters"),
    ('{"type":"device","id":"a","name":"x\\ud800"}', None, "is not JSON"),
]


@pytest.mark.rule("HM-190")
@pytest.mark.parametrize(("line", "field", "rule"), WRONG_JSON)
def test_a_bad_line_of_ndjson_names_field_and_rule_and_stops_no_other(line: str, field: str | None, rule: str) -> None:
    good = '{"type":"device","id":"t17"}'
    first, bad, last = read("ndjson", f"{good}\n{line}\n{good.replace('17', '18')}\n")
    assert isinstance(bad, RefusedLine)
    assert (bad.number, bad.code, bad.field) == (2, "malformed", field)
    assert rule in bad.rule
    assert isinstance(first, EntryLine)
    assert isinstance(last, EntryLine)


@pytest.mark.rule("HM-190")
@pytest.mark.parametrize(
    ("line", "field", "rule"),
    [
        (b"device,a", None, "has 2 cells, and the header 3"),
        (b'device,"a,3', None, "is not CSV"),
        (b"device,a\xff,3", None, "is not UTF-8"),
        (b"device,a,often", "interval_s", "must be a whole number"),
        (b"device,a,true", "interval_s", "must be a whole number"),
        (b"device,a,1.5", "interval_s", "must be a whole number"),
    ],
)
def test_a_bad_line_of_csv_names_field_and_rule_and_stops_no_other(line: bytes, field: str | None, rule: str) -> None:
    bad, last = read("csv", b"type,id,interval_s\n" + line + b"\ndevice,b,30\n")
    assert isinstance(bad, RefusedLine)
    assert (bad.number, bad.field) == (2, field)
    assert rule in bad.rule
    assert isinstance(last, EntryLine)


@pytest.mark.rule("HM-191")
def test_of_several_lines_about_a_subject_the_first_good_one_counts() -> None:
    lines = [{"name": ""}, {"name": "A"}, {"name": "B"}]
    _, first, later = read("ndjson", "\n".join(json.dumps({"type": "device", "id": "a", **line}) for line in lines))
    assert isinstance(first, EntryLine)
    assert (first.number, first.said.name) == (2, "A")
    assert isinstance(later, RefusedLine)
    assert (later.code, later.subject) == ("conflict", "device/a")
    assert "line 2" in later.rule


@pytest.mark.rule("HM-193")
@pytest.mark.parametrize(
    ("header", "field", "rule"),
    [
        ("type,id,intervals", "intervals", "did you mean interval_s?"),
        ("type;id;name", "type;id;name", "there is no column"),
        ("type,id,name,name", "name", "twice"),
        ("type,name", "id", "lacks"),
        ('type,"id', "", "is not CSV"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(header: str, field: str, rule: str) -> None:
    with pytest.raises(WrongHeader) as wrong:
        read("csv", f"\n{header}\ndevice,a\n")
    assert wrong.value.field == field
    assert rule in wrong.value.rule


@pytest.mark.rule("HM-193")
def test_no_line_stands_in_for_a_header_that_is_not_utf8() -> None:
    """As a spreadsheet may save it."""
    with pytest.raises(WrongHeader, match="UTF-8"):
        read("csv", "type,id,navn_på\ntype,id\ndevice,a\n".encode("latin-1"))


@pytest.mark.rule("HM-190")
@given(st.lists(st.binary(max_size=60)), st.sampled_from(["csv", "ndjson"]))
def test_whatever_stands_in_a_line_it_is_entered_or_refused(lines: list[bytes], format: Format) -> None:
    reader = LineReader(format)
    if format == "csv":
        assert reader.read(1, b"type,id,name\n") is None
    for number, line in enumerate(lines, start=2):
        said = reader.read(number, line)
        assert (said is None) == (not line.strip())
        assert said is None or said.number == number
