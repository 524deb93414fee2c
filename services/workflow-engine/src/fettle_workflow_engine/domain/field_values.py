"""What stands in an action's fields: fixed values, references, templates, and lists and objects of these."""

import re
from collections.abc import Mapping

from fettle_workflow_engine.domain.definition import Fixed, Group, Reference, Series, Template, Value
from fettle_workflow_engine.domain.faults import Fault, unknown
from fettle_workflow_engine.domain.tree import Entry, Listing, Scalar, Table, Tree

REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*")
FORMS = frozenset({"ref", "template"})


def read_value(tree: Tree, faults: list[Fault]) -> Value | None:
    """The value of a field, or None when it has no form; what is wrong with it is added to `faults`."""
    match tree:
        case Scalar(value, place):
            return Fixed(value, place)
        case Listing(items, place):
            read = (read_value(item, faults) for item in items)
            return Series(tuple(value for value in read if value is not None), place)
        case Table(entries) if FORMS & entries.keys():
            return _form(tree, faults)
        case Table(entries, place):
            return Group(read_values(entries, faults), place)


def read_values(entries: Mapping[str, Entry], faults: list[Fault]) -> dict[str, Value]:
    """The values that have a form, by name."""
    read = {name: read_value(entry.value, faults) for name, entry in entries.items()}
    return {name: value for name, value in read.items() if value is not None}


def _form(table: Table, faults: list[Fault]) -> Value | None:
    """`{ref: …}` or `{template: …}`: one key, and text behind it."""
    (form, entry), *others = table.entries.items()
    if others:
        if table.entries.keys() >= FORMS:
            faults.append(Fault(others[0][1].key_place, "a field is a `ref` or a `template`, not both"))
        else:
            name, other = next((name, other) for name, other in table.entries.items() if name not in FORMS)
            faults.append(unknown(other.key_place, "name beside `ref` or `template`", name, ()))
        return None
    value = entry.value
    if not isinstance(value, Scalar) or not isinstance(value.value, str):
        faults.append(Fault(value.place, f"`{form}` must be text"))
        return None
    if form == "template":
        return Template(value.value, value.text_place)
    if not REFERENCE.fullmatch(value.value):
        faults.append(Fault(value.place, "a reference is names with dots between them: `event.ticket.id`"))
        return None
    return Reference(tuple(value.value.split(".")), value.text_place)
