"""Templates by Jinja, cut down to what can do no harm: text, values, filters from a list, `if` and `for`.

No calls, assignments, macros or includes; a name looks into data and nowhere else (so `checklist.items` is the list,
not a method). Loops count their turns, text counts its bytes, nothing else can grow: no clock is needed to stop it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2 import Template as JinjaTemplate
from jinja2.exceptions import TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

from fettle_workflow_engine.adapters.template_filters import FILTERS, written
from fettle_workflow_engine.adapters.template_reading import LOOP_FIELDS, TESTS, complaints_of, mentions_of
from fettle_workflow_engine.adapters.template_work import TURNS, WEIGHED, WORK, Work, count_turns, counted, weighed
from fettle_workflow_engine.domain.faults import Place
from fettle_workflow_engine.domain.languages import Complaint, Reading, RenderFailed

SOURCE_LIMIT = 16 * 1024
OUTPUT_LIMIT = 64 * 1024
BITS_LIMIT = 8_192
"""Of a whole number that is multiplied: larger ones take long."""

_RUN_TIME_FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


class JinjaTemplates:
    """`domain.languages.Templates`. Compiled templates are kept, the 1,000 last used."""

    def __init__(self) -> None:
        self._environment = _Environment(undefined=StrictUndefined, autoescape=False, finalize=written)
        self._compiled = lru_cache(maxsize=1_000)(self._compile)

    def read(self, source: str) -> Reading:
        if len(source) > SOURCE_LIMIT:
            return _refused(f"a template has at most {SOURCE_LIMIT // 1024} KiB")
        try:
            tree = self._environment.parse(source)
            complaints = tuple(complaints_of(tree, source))
            if not complaints:
                self._compiled(source)
        except TemplateSyntaxError as error:
            return _refused(f"not a template: {error.message}", Place(error.lineno, 1))
        except (RecursionError, SyntaxError, MemoryError):
            return _refused("the template is nested too deep")
        return Reading(tuple(mentions_of(tree, source)), complaints)

    def render(self, source: str, scope: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._compiled(source).generate({**scope, WORK: Work()}):
                size += len(piece.encode(errors="replace"))
                if size > OUTPUT_LIMIT:
                    raise RenderFailed(f"the text is longer than {OUTPUT_LIMIT // 1024} KiB")
                pieces.append(piece)
        except UndefinedError as error:
            raise RenderFailed(error.message or "a name is not there") from None
        except _RUN_TIME_FAILURES as error:
            raise RenderFailed(f"the template could not be filled: {error}") from None
        return _writable("".join(pieces))

    def _compile(self, source: str) -> JinjaTemplate:
        code = self._environment.compile(counted(self._environment.parse(source)))
        return JinjaTemplate.from_code(self._environment, code, self._environment.make_globals(None))


class _Environment(SandboxedEnvironment):
    """Looks into data only, and multiplies and divides numbers only (text times a million is a way to grow)."""

    intercepted_binops = frozenset({"*", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.globals = {}
        self.filters = {**FILTERS, TURNS: count_turns, WEIGHED: weighed}
        self.tests = {name: self.tests[name] for name in TESTS}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError(f"{operator} is for numbers")
        if any(isinstance(one, int) and one.bit_length() > BITS_LIMIT for one in (left, right)):
            raise ValueError("a number is too large")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        match obj:
            case dict() if isinstance(argument, str) and argument in obj:
                return obj[argument]
            case list() if isinstance(argument, int) and -len(obj) <= argument < len(obj):
                return obj[argument]
            case LoopContext() if argument in LOOP_FIELDS:
                return getattr(obj, argument)
            case Undefined():
                return obj  # what was missing first is what gets named
        reason = "what it belongs to is null" if obj is None else "it is not there"
        return self.undefined(hint=f"{argument!r} cannot be used: {reason}")


def _writable(text: str) -> str:
    """The text with a sign in the place of what no message and no row can hold: U+0000 and half of a surrogate pair,
    which a template can write by their numbers."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refused(message: str, place: Place = Place(1, 1)) -> Reading:  # noqa: B008 - a frozen value
    return Reading(complaints=(Complaint(message, place),))
