"""Whatever data a node's fields lead to, the node begins or fails with words: no data is a bug of the engine's."""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ticket_event import AT

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.catalogue import ACTIONS
from fettle_workflow_engine.domain.definition import Action, After, Definition, Fixed, Reference, Template, Trigger
from fettle_workflow_engine.domain.http_requests import http_request
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.notifications import read_message
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Call, Cause, GiveCommand, StepState
from fettle_workflow_engine.domain.samples import Sample
from fettle_workflow_engine.domain.trial import Around, shown, try_out

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
WORDS = ("id", "number", "dedup_key", "label", "url", "type", "name", "ticket", "change", "resolved", "device", "1h")

texts = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    plain | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = {does: sorted(kind.fields) for does, kind in ACTIONS.items()}
SOUND: dict[str, dict[str, Any]] = {
    "ticket.open": {"title": "T", "kind": "k", "subject": {"type": "device", "id": "t1"}},
    "ticket.start": {"ticket": 7},
    "ticket.resolve": {"ticket": 7},
    "ticket.comment": {"ticket": 7, "text": "Seen."},
    "http.request": {"url": "https://there.test/"},
    "notify": {"channel": "ops", "text": "Seen."},
    "wait": {"for": "1h"},
    "fail": {"message": "No."},
}


@pytest.mark.rule("WF-161")
@pytest.mark.parametrize("written", [r"\ud800", r"\x00", r"\ud83d\ud83d"])
def test_what_a_template_writes_by_its_number_can_be_sent(written: str) -> None:
    text = Template(f"a{{{{ '{written}' }}}}b")
    action = Action("a", "ticket.comment", (After("t"),), {"ticket": Fixed(7), "text": text})
    definition = Definition("w", "W", (Trigger("t", "manual"), action))
    run = begin(definition, {"t"}, Cause("manual", {}, "e", 1), run_id=UUID(int=7), org="acme", version=1, now=AT)
    (effect,) = advance(definition, run, now=AT, languages=LANGUAGES).effects
    assert isinstance(effect, GiveCommand)
    assert "\ufffd" in effect.command.to_json().decode()


WRONG = st.sampled_from(sorted(ACTIONS)).flatmap(
    lambda does: st.tuples(st.just(does), st.dictionaries(st.sampled_from(FIELDS[does]), anything, min_size=1))
)


@pytest.mark.rule("WF-161")
@given(case=WRONG)
@example(case=("ticket.open", {"links": ["https://there.test/"]}))
def test_no_data_is_a_bug(case: tuple[str, dict[str, Any]]) -> None:
    does, wrong = case
    event = {"data": {**SOUND[does], **wrong}}
    fields = {name: Reference(("event", "data", name)) for name in event["data"]}
    definition = Definition("w", "W", (Trigger("t", "manual"), Action("a", does, (After("t"),), fields)))
    run = begin(definition, {"t"}, Cause("manual", event, "e", 1), run_id=UUID(int=7), org="acme", version=1, now=AT)
    done = advance(definition, run, now=AT, languages=LANGUAGES)
    step = done.run.steps["a"]
    if step.error:
        assert step.error.code in ("input_invalid", "stopped")
    for effect in done.effects:
        match effect:
            case GiveCommand(command=command):
                assert command.to_json()
            case Call(id=id, kind=kind, request=request):
                assert json.dumps(request)
                with suppress(InputFailed):
                    http_request(request) if kind == "http.request" else read_message(id, "acme", request)
    assert step.state is StepState.FAILED or done.run.waiting == step
    around = Around("acme", 1, frozenset({"ops"}), frozenset(), "https://console.test")
    assert json.dumps(shown(try_out(definition, Sample("manual", event), {}, around, now=AT, languages=LANGUAGES)))
