"""What a field's value is, once the run is there."""

from collections.abc import Mapping
from typing import Any

from fettle_workflow_engine.domain.definition import Fixed, Group, Reference, Series, Template, Value
from fettle_workflow_engine.domain.languages import RenderFailed, Templates
from fettle_workflow_engine.domain.secrets import SCOPE, SecretText, unmarked

ScopeValues = Mapping[str, Any]
"""What can be named: `event`, by their names the outputs of nodes that have ended, and for some actions `secrets`."""


class InputFailed(Exception):
    """A field has no usable value. `code` is stable, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def resolve(value: Value, scope: ScopeValues, templates: Templates) -> Any:
    """The JSON value of a field. Raises InputFailed (`reference_missing`, `template_failed`)."""
    match value:
        case Fixed(fixed):
            return fixed
        case Reference():
            found = _follow(value, scope)
            return found if isinstance(found, SecretText) or SCOPE not in scope else unmarked(found)
        case Template(source):
            try:
                return templates.render(source, scope)
            except RenderFailed as failure:
                raise InputFailed("template_failed", str(failure)) from None
        case Group(parts):
            return {name: resolve(part, scope, templates) for name, part in parts.items()}
        case Series(items):
            return [resolve(item, scope, templates) for item in items]


def _follow(reference: Reference, scope: ScopeValues) -> Any:
    value: Any = scope
    for part in reference.path:
        match value:
            case dict() if part in value:
                value = value[part]
            case list() if part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            case _:
                raise InputFailed("reference_missing", f"{reference} is not there: {part!r} has no value in this run.")
    return value
