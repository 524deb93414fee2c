"""Batched SQL written by hand: each table by one statement over `unnest`, an array a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def arrays(rows: Any) -> list[list[Any]]:
    """Rows as one array per column."""
    return [list(column) for column in zip(*rows, strict=True)]


def columns(said: str) -> dict[str, str]:
    """Types by name, from `id uuid, state text`."""
    return {name: type for name, _, type in (part.partition(" ") for part in said.split(", "))}


def insert(table: str, types: Mapping[str, str]) -> str:
    """Inserts rows of columns of these types, in their order."""
    return f"INSERT INTO {table} ({', '.join(types)}) SELECT {', '.join(_values(types).values())} FROM {_unnest(types)}"


def update(table: str, types: Mapping[str, str], keys: int = 1) -> str:
    """Changes the rows that the first `keys` columns name."""
    values, names = _values(types), list(types)
    changes = ", ".join(f"{name} = {values[name]}" for name in names[keys:])
    same = " AND ".join(f"{table}.{name} = new.{name}" for name in names[:keys])
    return f"UPDATE {table} SET {changes} FROM {_unnest(types)} WHERE {same}"


def _unnest(types: Mapping[str, str]) -> str:
    columns = ", ".join(
        f"${place}::{'text' if type in ('json', 'jsonb') else type}[]" for place, type in enumerate(types.values(), 1)
    )
    return f"unnest({columns}) AS new ({', '.join(types)})"


def _values(types: Mapping[str, str]) -> dict[str, str]:
    """JSON goes as text, for that is how its arrays go."""
    return {name: f"new.{name}::{type}" if type in ("json", "jsonb") else f"new.{name}" for name, type in types.items()}
