"""What a service's OpenAPI document says by itself, and what it says once the service has words for it."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from fastapi.responses import Response
from pydantic import BaseModel

from fettle_chassis.documented import About, Words
from fettle_chassis.http import IdempotencyKey, Operator, http_app
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings

SETTINGS = ServiceSettings.load({"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "x:1", "FETTLE_SIGNING_KEYS": "a:" + "A" * 44})
THINGS = "/api/v1/orgs/{org}/things"


class Thing(BaseModel):
    """A thing of the org."""

    size: int


def document_of(words: Words) -> Any:
    app: FastAPI = http_app(Service("things"), SETTINGS, title="Things", words=words)

    @app.post(THINGS)
    async def make(
        org: str, caller: Operator, thing: Thing, key: IdempotencyKey, colour: Annotated[str, Header()] = ""
    ) -> Thing:
        return thing

    @app.get(THINGS + "/{number}")
    async def written_by_hand(caller: Operator) -> Response:
        return Response()

    assert app.openapi() is app.openapi()
    return app.openapi()


@pytest.mark.rule("AC-41")
def test_what_holds_for_every_operation_is_said_without_a_word() -> None:
    document = document_of(Words())
    make = document["paths"][THINGS]["post"]
    codes = {status: answer["description"].split("`")[1::2] for status, answer in make["responses"].items()}
    assert codes == {
        "200": [],
        "400": ["malformed"],
        "401": ["token_missing", "token_invalid"],
        "403": ["forbidden"],
        "404": ["not_found"],
        "413": ["too_large"],
        "422": ["idempotency_key_reused"],
        "503": ["Retry-After", "unavailable"],
    }
    show = document["paths"][THINGS + "/{number}"]["get"]
    assert [(one["name"], one["required"]) for one in show["parameters"]] == [("org", True), ("number", True)]
    assert {"413", "422"}.isdisjoint(show["responses"])
    assert make["parameters"][0]["description"].startswith("The organization")
    assert "HTTPValidationError" not in str(document)


@pytest.mark.rule("AC-41")
def test_words_are_put_where_they_belong() -> None:
    about = About(
        "Make a thing",
        {"size": 3},
        {"size": 4},
        {400: "title_empty", 409: "wrong_state", 422: "invalid"},
        statuses={200: "The thing.", 202: "It comes later."},
        parameters={"colour": "What it is painted with."},
    )
    shown = About("Show a thing", {"size": 5}, model=Thing)
    words = Words(
        {"post /things": about, "get /things/{number}": shown}, {"number": "Which one.", "colour": "Not this."}
    )
    document = document_of(words)
    make = document["paths"][THINGS]["post"]
    assert (make["summary"], make["requestBody"]["content"]["application/json"]["example"]) == (
        "Make a thing",
        {"size": 4},
    )
    said = {one["name"]: one.get("description") for one in make["parameters"]}
    assert said["colour"] == "What it is painted with."
    answers = make["responses"]
    assert answers["200"]["content"]["application/json"]["example"] == {"size": 3}
    assert answers["202"] == {"description": "It comes later."}
    assert answers["400"]["description"] == "The request breaks a rule: `malformed`, `title_empty`."
    both = "A field breaks a rule, or the key came before with another request: `idempotency_key_reused`, `invalid`."
    assert answers["422"]["description"] == both
    assert answers["409"]["content"]["application/problem+json"]["example"]["code"] == "wrong_state"
    show = document["paths"][THINGS + "/{number}"]["get"]
    content = show["responses"]["200"]["content"]["application/json"]
    assert content == {"schema": {"$ref": "#/components/schemas/Thing"}, "example": {"size": 5}}
    assert show["parameters"][1]["description"] == "Which one."
