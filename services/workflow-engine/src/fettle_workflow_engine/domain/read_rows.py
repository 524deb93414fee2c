"""The rows of an `if` node: do they have the form of rows? Whether they mean something is `check_rows.py`'s."""

from collections.abc import Iterator

from fettle_workflow_engine.domain.definition import Check, Condition, How, Row, Rows
from fettle_workflow_engine.domain.faults import Fault, suggest, unknown
from fettle_workflow_engine.domain.field_values import read_value
from fettle_workflow_engine.domain.operations import OPERATIONS
from fettle_workflow_engine.domain.tree import Entry, Listing, Scalar, Table, Tree

ROWS_LIMIT = 100
FORMS = (*How, "cel")
ROW_FIELDS = ("value", "zone")


def read_if(entry: Entry, faults: list[Fault]) -> Rows:
    """What stands behind `if`; what is wrong with it is added to `faults`."""
    table = entry.value
    if not isinstance(table, Table) or not table.entries:
        faults.append(Fault(table.place, "`if` is an object: `all` or `any` with a list of rows, or `cel`"))
        return Rows(How.ALL, (), table.place)
    for name, field in table.entries.items():
        if name not in FORMS:
            faults.append(unknown(field.key_place, "form of `if`", name, FORMS))
    read = _form(table, faults)
    if _count(read) > ROWS_LIMIT:
        faults.append(Fault(table.place, f"an `if` has at most {ROWS_LIMIT} rows"))
    if isinstance(read, Rows):
        return read
    return Rows(How.ALL, (read,) if read else (), table.place)


def _form(table: Table, faults: list[Fault]) -> Rows | Condition | None:
    """The one of `all`, `any` and `cel` that is there."""
    forms = [name for name in table.entries if name in FORMS]
    for name in forms[1:]:
        place = table.entries[name].key_place
        faults.append(Fault(place, f"one of `all`, `any` and `cel`: not `{forms[0]}` and `{name}`; nest them in a row"))
    if not forms:
        return None
    value = table.entries[forms[0]].value
    if forms[0] == "cel":
        if isinstance(value, Scalar) and isinstance(value.value, str):
            return Condition(value.value, value.text_place)
        faults.append(Fault(value.place, "`cel` is a CEL expression: text"))
        return None
    if not isinstance(value, Listing) or not value.items:
        faults.append(Fault(value.place, f"`{forms[0]}` is a list of at least one row"))
        return None
    return Rows(How(forms[0]), tuple(_rows(value, faults)), value.place)


def _rows(listing: Listing, faults: list[Fault]) -> Iterator[Check]:
    for item in listing.items:
        row = _row(item, faults)
        if row is not None:
            yield row


def _row(item: Tree, faults: list[Fault]) -> Check | None:
    if not isinstance(item, Table):
        faults.append(Fault(item.place, "a row is an object: `value`, an operation and what it compares with"))
        return None
    if any(name in FORMS for name in item.entries):
        for name, field in item.entries.items():
            if name not in FORMS:
                faults.append(Fault(field.key_place, f"`{name}` cannot stand beside `all`, `any` or `cel`"))
        return _form(item, faults)
    operations = [name for name in item.entries if name in OPERATIONS]
    for name, field in item.entries.items():
        if name not in (*OPERATIONS, *ROW_FIELDS):
            known = [*OPERATIONS, *(ROW_FIELDS if operations else ("value",))]
            faults.append(
                Fault(field.key_place, f"unknown operation {name!r}; known: {_known()}", suggest(name, known))
            )
    for name in operations[1:]:
        place = item.entries[name].key_place
        faults.append(Fault(place, f"a row has one operation: not {operations[0]} and {name}"))
    if "value" not in item.entries:
        faults.append(Fault(item.place, "a row needs `value`: what it looks at"))
    if not operations:
        if item.entries.keys() <= set(ROW_FIELDS):
            faults.append(Fault(item.place, f"a row needs an operation; known: {_known()}"))
        return None
    return _comparison(item, operations[0], faults)


def _comparison(table: Table, operation: str, faults: list[Fault]) -> Row | None:
    zone = None
    if "zone" in table.entries:
        field = table.entries["zone"]
        if not OPERATIONS[operation].zone:
            faults.append(Fault(field.key_place, f"{operation} reads nobody's clock: `zone` has no meaning here"))
        elif isinstance(field.value, Scalar) and isinstance(field.value.value, str):
            zone = field.value.value
        else:
            faults.append(Fault(field.value.place, "`zone` must be text"))
    value = read_value(table.entries["value"].value, faults) if "value" in table.entries else None
    operand = read_value(table.entries[operation].value, faults)
    if value is None or operand is None:
        return None
    zone_place = table.entries["zone"].value.place if "zone" in table.entries else table.place
    return Row(value, operation, operand, zone, table.entries[operation].key_place, zone_place)


def _known() -> str:
    return ", ".join(sorted(OPERATIONS))


def _count(read: Check | None) -> int:
    return sum(map(_count, read.rows)) if isinstance(read, Rows) else 1
