"""What an OpenAPI document says beyond what the framework knows: the refusals that every operation can answer with,
what parameters mean, and what a service says of each of its operations.

`http_app` makes every service's document say what holds for all of them. A service hands it `Words` for the rest: for
each operation a summary, examples of what goes in and comes out, the codes of its own refusals; for each parameter its
meaning. Pure: documents in, documents out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fettle_contracts.causation import DEPTH_HEADER
from fettle_contracts.codes import RejectionCode
from fettle_contracts.problems import PROBLEM_TYPE, ProblemCode, ProblemDetail

_REFS = "#/components/schemas/{model}"
_EVERY = {401: "token_missing token_invalid", 403: "forbidden", 404: "not_found", 503: "unavailable"}
_FROM_OUTSIDE = frozenset({"org", "traceparent", DEPTH_HEADER})
"""Parameters that no route can find malformed."""

_REFUSED = {
    400: "The request breaks a rule",
    401: "There is no token that counts",
    403: "Not the caller's to do",
    404: "There is no such thing, or not in an org of the caller",
    409: "The present state does not allow it",
    412: "It has changed since; the answer has what it is now",
    413: "The body, or a text in it, is too large",
    422: "A field breaks a rule",
    428: "The request does not say what it saw",
    429: "The token's requests come too fast; `Retry-After` says when to try again",
    502: "Two services of this installation do not share a key",
    503: "Something that this needs is away; `Retry-After` says when to try again",
    504: "What was asked may be done in part",
}
_KEY_REUSED = str(ProblemCode.IDEMPOTENCY_KEY_REUSED)
_CAME_BEFORE = "the key came before with another request"
_MEANINGS = {str(code): code.meaning for code in (*RejectionCode, *ProblemCode)}

PARAMETERS: Mapping[str, str] = {
    "org": "The organization; another one than the token's is not found.",
    "cursor": "Where to go on: `next_cursor` of the page before.",
    "limit": "How many items a page has at most.",
    "idempotency-key": "1 to 256 characters of the caller's own: a repeat under it gets the first answer.",
    "traceparent": "W3C Trace Context, handed on to what the request causes.",
    DEPTH_HEADER: "How long the chain of causes is that led to the request: a workflow's run sends its own.",
}
"""Those that mean the same everywhere."""

_FIELDS: Mapping[str, str] = {
    "next_cursor": "Where the next page begins; null on the last one.",
    "as_of": "Up to when heartbeats have been judged; null before every shard has said.",
}


@dataclass(frozen=True, slots=True)
class About:
    """What is said of one operation. An operation whose answers the framework knows needs no `model`."""

    summary: str
    example: Any = None
    """Of its answer; of several media, by media type."""
    body: Any = None
    """An example of what goes in."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """By status the codes, apart by spaces, that only this operation answers with."""
    model: type[BaseModel] | None = None
    media: Mapping[str, Any] = field(default_factory=dict)
    """By media type its schema, where the answer is not one JSON value."""
    statuses: Mapping[int, str] = field(default_factory=dict)
    """What each good status tells; one that the framework does not know has no body. Left out: 200, done."""
    examples: Mapping[int, Any] = field(default_factory=dict)
    """Of good statuses whose answers differ from `example`."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters that mean something else here than elsewhere in the service."""


@dataclass(frozen=True, slots=True)
class Words:
    """All that a service says of its API: operations as `get /tickets/{number}` (the path after the org's), and
    parameters by their names."""

    operations: Mapping[str, About] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def name_of(method: str, path: str) -> str:
    """`get /tickets` of what one org has, `post /orgs` of the rest."""
    return f"{method} {path.removeprefix('/api/v1').replace('/orgs/{org}/', '/', 1)}"


def with_words(document: dict[str, Any], words: Words) -> dict[str, Any]:
    """The framework's document with all of it said; the same object, changed."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _say(operation, path, words.operations.get(name_of(method, path)), words.parameters)
    models = {about.model for about in words.operations.values() if about.model is not None} | {ProblemDetail}
    written = [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)]
    _, schemas = models_json_schema(written, ref_template=_REFS)  # type: ignore[arg-type]
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components |= schemas["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    for shape in components.values():
        for name in _FIELDS.keys() & shape.get("properties", {}).keys():
            shape["properties"][name].setdefault("description", _FIELDS[name])
    return document


def refusal(status: int, *codes: str, told: str | None = None) -> dict[str, Any]:
    """A problem detail with one of these codes as an answer of the document; the last one is shown."""
    words = (told or _REFUSED[status]).rstrip(".")
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": codes[-1],
        "detail": _MEANINGS.get(codes[-1], words),
    }
    schema = {"$ref": _REFS.format(model=ProblemDetail.__name__)}
    description = f"{words}: {', '.join(f'`{code}`' for code in codes)}."
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}


def _say(operation: dict[str, Any], path: str, about: About | None, meanings: Mapping[str, str]) -> None:
    asked = operation.setdefault("parameters", [])
    named = {one["name"] for one in asked}
    missing = [part[1:-1] for part in path.split("/") if part.startswith("{") and part[1:-1] not in named]
    asked[:0] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in missing]
    known = {**PARAMETERS, **meanings, **(about.parameters if about else {})}
    for parameter in asked:
        if parameter["name"] in known:
            parameter["description"] = known[parameter["name"]]
    if about is not None:
        operation["summary"] = about.summary
        operation.setdefault("description", f"{about.summary}.")
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "example" not in content and "examples" not in content:
                content["example"] = about.body
    own = operation.pop("responses")
    good = {status: answer for status, answer in own.items() if status < "4"}
    operation["responses"] = _answers(good, about) if about else good
    for status, codes in _refused(operation, about):
        told = own.get(str(status), {}).get("description")
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:  # the framework's words for it are of what we never answer
            told = _unfit(codes)
        operation["responses"][str(status)] = refusal(status, *codes, told=told)


def _unfit(codes: list[str]) -> str | None:
    if _KEY_REUSED not in codes:
        return None
    return f"{_REFUSED[422]}, or {_CAME_BEFORE}" if len(codes) > 1 else _CAME_BEFORE.capitalize()


def _answers(known: Mapping[str, Any], about: About) -> dict[str, Any]:
    """Good answers by status: of the model or media that are named, else as the framework knows them."""
    statuses = about.statuses or {200: "Done."}
    if about.media:
        content = {media: {"schema": schema, "example": about.example[media]} for media, schema in about.media.items()}
        return {str(status): {"description": told, "content": content} for status, told in statuses.items()}
    if about.model is not None:
        schema = {"$ref": _REFS.format(model=about.model.__name__)}
        known = {str(status): {"content": {"application/json": {"schema": schema}}} for status in statuses}
    answers = {}
    for status, answer in {**{str(status): {} for status in about.statuses}, **known}.items():
        told = statuses.get(int(status), answer.get("description", "Done."))
        answers[status] = {**answer, "description": told}
        if answer.get("content"):
            example = about.examples.get(int(status), about.example)
            content = {media: {"example": example, **shown} for media, shown in answer["content"].items()}
            answers[status]["content"] = content
    return answers


def _refused(operation: Mapping[str, Any], about: About | None) -> Iterator[tuple[int, list[str]]]:
    """By status the codes of what refuses before and behind the route."""
    named = {one["name"] for one in operation["parameters"]}
    codes = {status: said.split() for status, said in _EVERY.items()}
    if "requestBody" in operation or named - _FROM_OUTSIDE:
        codes[400] = ["malformed"]
    if "requestBody" in operation:
        codes[413] = ["too_large"]
    if "idempotency-key" in named:
        codes[422] = [_KEY_REUSED]
    for status, said in (about.refusals if about else {}).items():
        codes[status] = list(dict.fromkeys([*codes.get(status, ()), *said.split()]))
    yield from sorted(codes.items())
