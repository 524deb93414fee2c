"""Changes to many rows as one statement: each column of the rows is one array, `unnest` makes rows of them again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, Update, bindparam, cast, column, func, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import Text

from fettle_ticket_service.adapters.copying import Row


def unnested(table: Table, names: Sequence[str], alias: str) -> TableValuedAlias:
    """`unnest(:all_a, :all_b) AS alias (a, b)` with the types of the table's columns; JSON goes as text."""
    types = {name: Text() if isinstance(table.c[name].type, JSONB) else table.c[name].type for name in names}
    arrays = [bindparam(_parameter(name), type_=ARRAY(type, dimensions=1)) for name, type in types.items()]
    columns = [column(name, type) for name, type in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name=alias).render_derived()


def update_rows(table: Table, key: str, names: Sequence[str]) -> Update:
    """Sets the columns `names` of each row whose `key` is among the arrays."""
    new = unnested(table, (key, *names), "new")
    values = {name: cast(new.c[name], table.c[name].type) for name in names}
    return update(table).where(table.c[key] == new.c[key]).values(values)


def arrays(names: Sequence[str], rows: Iterable[Row]) -> Mapping[str, list[Any]]:
    """The rows as parameters of a statement made here. There must be one row at least."""
    return dict(zip(map(_parameter, names), map(list, zip(*rows, strict=True)), strict=True))


def _parameter(name: str) -> str:
    """SQLAlchemy keeps the columns' own names for itself."""
    return f"all_{name}"
