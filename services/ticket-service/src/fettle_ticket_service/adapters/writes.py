"""What a batch of commands writes to several tables.

Few rows go as one statement: on a busy machine a round trip to the database takes longer than what is done there, and a
COPY takes two. Many rows go by COPY, table by table, where each row's own cost counts.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Select, Table, Update, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import Row, copy_rows
from fettle_ticket_service.adapters.unnest import arrays, insert_rows, update_rows

FEW = 400
"""So many rows in all go as one statement."""


class _Shape(NamedTuple):
    """Which columns of which table. With a `key`, the first column, rows that are there are changed."""

    table: Table
    names: tuple[str, ...]
    key: str | None = None


class Writes:
    """Rows to be added and changed: of any table either, and no row twice. Nothing depends on the order."""

    def __init__(self) -> None:
        self._rows: dict[_Shape, list[Row]] = {}

    def add(self, table: Table, names: Sequence[str], rows: Iterable[Row]) -> None:
        self._keep(_Shape(table, tuple(names)), rows)

    def change(self, table: Table, key: str, names: Sequence[str], rows: Iterable[Row]) -> None:
        """Rows have the value of `key`, then those of `names`."""
        self._keep(_Shape(table, (key, *names), key), rows)

    def _keep(self, shape: _Shape, rows: Iterable[Row]) -> None:
        if kept := list(rows):
            self._rows.setdefault(shape, []).extend(kept)

    async def carry_out(self, connection: AsyncConnection) -> None:
        """In the connection's transaction, which must have begun by a statement before. Call once."""
        if sum(map(len, self._rows.values())) <= FEW:
            if self._rows:
                parameters = [arrays(shape.names, rows, shape.table.name) for shape, rows in self._rows.items()]
                together = {name: values for each in parameters for name, values in each.items()}
                await connection.execute(_together(tuple(self._rows)), together)
            return
        for shape, rows in self._rows.items():
            if shape.key is None:
                await copy_rows(connection, shape.table.name, shape.names, rows)
            else:
                await connection.execute(_change(shape), arrays(shape.names, rows, shape.table.name))


@lru_cache
def _change(shape: _Shape) -> Update:
    return update_rows(shape.table, shape.names[0], shape.names[1:], shape.table.name)


@lru_cache
def _together(shapes: tuple[_Shape, ...]) -> Select[int]:
    """One statement for all of them; there are as many as there are sets of tables that a batch can touch."""
    parts = [
        insert_rows(shape.table, shape.names, shape.table.name) if shape.key is None else _change(shape)
        for shape in shapes
    ]
    return select(literal(1)).add_cte(*(part.cte(f"part_{number}") for number, part in enumerate(parts)))
