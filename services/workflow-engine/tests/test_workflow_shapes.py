"""What a message leaves out is null for a workflow."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ticket_event import ticket_event

from fettle_workflow_engine.domain.catalogue import TRIGGERS
from fettle_workflow_engine.domain.shapes import ANYTHING, NUMBER, TEXT, Fields, Items, Shape, completed, completing

ITEM = Fields({"name": TEXT, "place": Fields({"x": NUMBER})})
WHOLE = Fields({"id": TEXT, "first": ITEM, "all": Items(ITEM), "rest": ANYTHING})

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=2),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "first", "all", "rest", "name", "place", "x", "other"]), deeper)
    ),
    max_leaves=12,
)


def by_the_book(shape: Shape, value: Any) -> Any:
    match shape, value:
        case Fields(fields), dict():
            known = {name: by_the_book(part, value.get(name)) for name, part in fields.items()}
            return {**known, **{name: one for name, one in value.items() if name not in fields}}
        case Items(of), list():
            return [by_the_book(of, one) for one in value]
    return value


@given(value=VALUES)
def test_every_field_of_a_shape_is_there(value: Any) -> None:
    before = repr(value)
    assert completed(WHOLE, value) == by_the_book(WHOLE, value)
    assert repr(value) == before, "who hands it over keeps it as it was"


def test_what_leaves_nothing_out_is_not_copied() -> None:
    complete = completing(TRIGGERS["ticket.opened"].event)
    whole = complete(ticket_event().to_dict())
    assert complete(whole) is whole
    assert complete({"org": "acme"})["ticket"] is None
