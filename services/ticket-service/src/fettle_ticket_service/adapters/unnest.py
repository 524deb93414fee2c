"""Whole batches as one statement: each column of the rows is one array, `unnest` makes rows of them again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, Insert, insert
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import Text

Row = tuple[Any, ...]


def unnested(table: Table, names: Sequence[str], alias: str) -> TableValuedAlias:
    """`unnest(:all_a, :all_b) AS alias (a, b)` with the types of the table's columns; JSON comes as text."""
    types = {name: Text() if isinstance(table.c[name].type, JSONB) else table.c[name].type for name in names}
    arrays = [bindparam(_parameter(name), type_=ARRAY(types[name], dimensions=1)) for name in names]
    return (
        func.unnest(*arrays).table_valued(*(column(name, types[name]) for name in names), name=alias).render_derived()
    )


def insert_rows(table: Table, names: Sequence[str]) -> Insert:
    """Inserts one row per place of the arrays, in that order."""
    new = unnested(table, names, "new")
    values = [_value(table, new.c[name], name) for name in names]
    return insert(table).from_select(list(names), select(*values))


def arrays(names: Sequence[str], rows: Iterable[Row]) -> Mapping[str, list[Any]]:
    """The rows as parameters of a statement made here. There must be one row at least."""
    return dict(zip(map(_parameter, names), map(list, zip(*rows, strict=True)), strict=True))


def _parameter(name: str) -> str:
    """SQLAlchemy keeps the columns' own names for itself."""
    return f"all_{name}"


def _value(table: Table, given: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return cast(given, JSONB) if isinstance(table.c[name].type, JSONB) else given
