"""Who an event is for: what is found at once is what looking at every trigger would find."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.domain.audience import Audience
from fettle_workflow_engine.domain.definition import Condition, Definition, Pattern, Trigger
from fettle_workflow_engine.domain.rhythms import Every
from fettle_workflow_engine.domain.schedules import Missed, Schedule

ORGS, KINDS, NAMES = ("acme", "globex"), ("signal", "schedule", "ticket.opened"), ("a", "b", "c")
TRIGGERS = st.builds(
    Trigger,
    name=st.sampled_from(["due", "came"]),
    on=st.sampled_from(KINDS),
    where=st.sampled_from([None, Condition("event.n > 1"), Condition("event.n > 2")]),
    only=st.sampled_from([{}, {"type": Pattern("com.acme.*")}, {"type": Pattern("ping")}]),
    schedule=st.sampled_from([None, None, Schedule(Every(60, "UTC"), Missed.SKIP)]),
)
WORKFLOWS = st.dictionaries(
    st.tuples(st.sampled_from(ORGS), st.sampled_from(NAMES)), st.lists(TRIGGERS, min_size=1, max_size=3), max_size=6
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["com.acme.x", "ping", "pong"]), "trigger": st.sampled_from(["due", "came"])}
)


@given(
    workflows=WORKFLOWS,
    events=st.lists(st.tuples(st.sampled_from(ORGS), st.sampled_from(KINDS), EVENTS), min_size=1, max_size=4),
    meant_for=st.sampled_from([None, *NAMES]),
)
def test_an_event_is_for_every_trigger_that_takes_it_and_no_other(
    workflows: dict[tuple[str, str], list[Trigger]], events: list[tuple[str, str, Any]], meant_for: str | None
) -> None:
    audience = Audience((*key, key, Definition(key[1], "", tuple(triggers))) for key, triggers in workflows.items())

    def looked_at_one_by_one(org: str, on: str, event: Any) -> Iterator[tuple[Any, Trigger]]:
        for key, triggers in workflows.items():
            for trigger in triggers:
                if key[0] == org and meant_for in (None, key[1]) and trigger.on == on and trigger.takes(event):
                    yield key, trigger

    for org, on, event in events:
        heard = audience.of(org, on, event, meant_for)
        found = [*heard.anyway, *(one for group in heard.by_source for one in group)]
        expected = list(looked_at_one_by_one(org, on, event))
        assert len(found) == len(expected)
        assert all(one in expected for one in found)
        assert all(trigger.where is None for _, trigger in heard.anyway)
        for source, group in zip(heard.sources, heard.by_source, strict=True):
            assert all(trigger.where and trigger.where.source == source for _, trigger in group)


SOURCES = (
    *("event.n > 1", "event.n == null", "event.text == 'a'", "event.none == 1", "event.list == [1]", "event.n"),
    *("1/0 == 1", "event.list.exists(x, x == 1)", "event.text.matches('a+')", "event == null"),
    "event.text + event.text == 'aa'",
)
SCOPES: tuple[dict[str, Any], ...] = (
    {"n": 2, "text": "a", "list": [1]},
    {"n": None, "text": "a" * 400_000, "list": []},
    {"n": 1, "text": "", "list": list(range(5_900))},
    {"n": 1, "text": "", "list": [{"deep": [index]} for index in range(9_000)]},
    {"n": 1, "text": "x" * 9_000_000, "list": []},
)


@given(sources=st.lists(st.sampled_from(SOURCES), unique=True, max_size=len(SOURCES)), event=st.sampled_from(SCOPES))
def test_conditions_that_are_judged_together_say_what_each_says_alone(sources: list[str], event: Any) -> None:
    conditions = CelConditions()
    alone = [conditions.judge([source], event)[0] for source in sources]
    assert conditions.judge(sources, event) == alone
