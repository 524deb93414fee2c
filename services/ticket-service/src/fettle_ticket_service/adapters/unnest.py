"""Changes to many rows as one statement: each column of the rows is one array, `unnest` makes rows of them again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, Update, bindparam, cast, column, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import Text

from fettle_chassis.copying import Row


def unnested(table: Table, names: Sequence[str], alias: str, of: str = "all") -> TableValuedAlias:
    """`unnest(:all_a, :all_b) AS alias (a, b)` with the types of the table's columns; JSON goes as text. `of` is what
    the parameters' names begin with, as in all that is made here."""
    types = {name: Text() if isinstance(table.c[name].type, JSONB) else table.c[name].type for name in names}
    arrays = [bindparam(_parameter(of, name), type_=ARRAY(type, dimensions=1)) for name, type in types.items()]
    columns = [column(name, type) for name, type in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name=alias).render_derived()


def insert_rows(table: Table, names: Sequence[str], of: str = "all") -> Insert:
    """Adds a row for each place of the arrays."""
    new = unnested(table, names, "new", of)
    return insert(table).from_select(names, select(*(cast(new.c[name], table.c[name].type) for name in names)))


def update_rows(table: Table, key: str, names: Sequence[str], of: str = "all") -> Update:
    """Sets the columns `names` of each row whose `key` is among the arrays."""
    new = unnested(table, (key, *names), "new", of)
    values = {name: cast(new.c[name], table.c[name].type) for name in names}
    return update(table).where(table.c[key] == new.c[key]).values(values)


def arrays(names: Sequence[str], rows: Iterable[Row], of: str = "all") -> Mapping[str, list[Any]]:
    """The rows as parameters of a statement made here. There must be one row at least."""
    return {_parameter(of, name): list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _parameter(of: str, name: str) -> str:
    """SQLAlchemy keeps the columns' own names for itself."""
    return f"{of}_{name}"
