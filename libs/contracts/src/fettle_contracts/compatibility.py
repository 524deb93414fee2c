"""Whether readers and writers of one version of a message still understand those of another.

A change is safe when an old reader reads what a new writer writes and a new reader reads what an old writer wrote:
topics keep old records for weeks, and other people's programs are not updated with ours. That leaves new optional
fields; a new meaning is a new version of the type. Works on the JSON Schemas that this package generates, and is
conservative: what it does not know to be safe, it reports.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_LOWER_LIMITS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_LIMITS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


@dataclass(frozen=True, slots=True)
class Break:
    """One incompatible change: where (`ticket.subject.type`, empty for the whole) and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'the message'}: {self.message}"


def breaks(old: Schema, new: Schema) -> tuple[Break, ...]:
    """Every change from `old` to `new` that breaks somebody, each once, in the order of the fields."""
    found = [
        *_lost(_Side(old, old), _Side(new, new), ""),
        *_unread(_Side(old, old), _Side(new, new), "", "new readers"),
        *_unread(_Side(new, new), _Side(old, old), "", "old readers"),
    ]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Side:
    """A part of a schema together with the root that its references point into."""

    root: Schema
    part: Any

    def resolved(self) -> "_Side":
        part = self.part
        while isinstance(part, Mapping) and "$ref" in part:
            target: Any = self.root
            for name in str(part["$ref"]).removeprefix("#/").split("/"):
                target = target[name]
            part = {**target, **{name: value for name, value in part.items() if name != "$ref"}}
        return _Side(self.root, part)

    def alternatives(self) -> "tuple[_Side, ...]":
        here = self.resolved()
        return tuple(_Side(here.root, part).resolved() for part in here.part.get("anyOf", (here.part,)))

    def properties(self) -> "dict[str, _Side]":
        return {name: _Side(self.root, part) for name, part in self.part.get("properties", {}).items()}


def _lost(old: _Side, new: _Side, path: str) -> Iterator[Break]:
    """Fields that are gone (a renamed one is gone, too) and defaults that mean something else than before."""
    for before in old.alternatives():
        fields = {name: side for after in new.alternatives() for name, side in after.properties().items()}
        for name, field in before.properties().items():
            where = _join(path, name)
            if name not in fields:
                if fields or not _is_open(new):
                    yield Break(where, "the field is gone; old readers look for it")
                continue
            yield from _changed_default(field, fields[name], where)
            yield from _lost(field, fields[name], where)
        if "items" in before.part:
            for after in new.alternatives():
                if "items" in after.part:
                    yield from _lost(
                        _Side(before.root, before.part["items"]), _Side(after.root, after.part["items"]), path + "[]"
                    )


def _changed_default(old: _Side, new: _Side, path: str) -> Iterator[Break]:
    before, after = old.part.get("default"), new.part.get("default")
    if "default" in old.part and "default" in new.part and before != after:
        yield Break(path, f"absent meant {before!r} and would mean {after!r}")


def _is_open(side: _Side) -> bool:
    """Whether the schema is an object of any fields, in which none can be looked for by name."""
    return any(part.part.get("type") == "object" and "properties" not in part.part for part in side.alternatives())


def _unread(written: _Side, reader: _Side, path: str, who: str) -> Iterator[Break]:
    """What `written` allows and `reader` refuses."""
    readers = reader.alternatives()
    for form in written.alternatives():
        refusals = [tuple(_refused(form, candidate, path, who)) for candidate in readers]
        if all(refusals):
            yield from min(refusals, key=len)


def _refused(written: _Side, reader: _Side, path: str, who: str) -> Iterator[Break]:
    wrong_type = _type_refused(written.part, reader.part)
    if wrong_type is not None:
        yield Break(path, f"{who} do not take {wrong_type}")
        return
    yield from _values_refused(written.part, reader.part, path, who)
    yield from _limits_refused(written.part, reader.part, path, who)
    yield from _fields_refused(written, reader, path, who)
    if "items" in written.part and "items" in reader.part:
        inner = _Side(written.root, written.part["items"]), _Side(reader.root, reader.part["items"])
        yield from _unread(*inner, path + "[]", who)


def _type_refused(written: Schema, reader: Schema) -> str | None:
    have, want = written.get("type"), reader.get("type")
    if want is None or have == want or (have, want) == ("integer", "number"):
        return None
    return "any value" if have is None else str(have)


def _values_refused(written: Schema, reader: Schema, path: str, who: str) -> Iterator[Break]:
    accepted = _values(reader)
    if accepted is None:
        return
    possible = _values(written)
    if possible is None:
        yield Break(path, f"{who} take only {', '.join(map(str, accepted))}")
        return
    for value in possible:
        if value not in accepted:
            yield Break(path, f"{who} do not take the value {value!r}")


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return None if values is None else list(values)


def _limits_refused(written: Schema, reader: Schema, path: str, who: str) -> Iterator[Break]:
    for name in _LOWER_LIMITS:
        if name in reader and (name not in written or written[name] < reader[name]):
            yield Break(path, f"{who} ask for {name} {reader[name]}")
    for name in _UPPER_LIMITS:
        if name in reader and (name not in written or written[name] > reader[name]):
            yield Break(path, f"{who} ask for {name} {reader[name]}")
    for name in ("pattern", "format"):
        if name in reader and written.get(name) != reader[name] and _values(written) is None:
            yield Break(path, f"{who} ask for {name} {reader[name]}")


def _fields_refused(written: _Side, reader: _Side, path: str, who: str) -> Iterator[Break]:
    always = set(written.part.get("required", ()))
    for name in reader.part.get("required", ()):
        if name not in always:
            yield Break(_join(path, name), f"{who} need this field, and it can be absent")
    theirs = written.properties()
    for name, field in reader.properties().items():
        if name in theirs:
            yield from _unread(theirs[name], field, _join(path, name), who)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
