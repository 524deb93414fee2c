"""One document out of several."""

import pytest

from fettle_console.domain.openapi import merged


def document(path: str, schema: dict[str, object], name: str = "Item") -> dict[str, object]:
    answer = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
    return {
        "paths": {
            path: {
                "get": {"responses": {"200": answer}, "security": [{"internal": []}]},
                "post": {"responses": {"201": answer}},
            },
            "/livez": {"get": {}},
        },
        "components": {"schemas": {name: schema}, "securitySchemes": {"internal": {}}},
    }


@pytest.mark.rule("AC-40")
def test_public_paths_of_all_services_stand_in_one_document() -> None:
    one = merged(
        {"title": "Fettle"},
        {
            "tickets": document("/api/v1/orgs/{org}/tickets", {"type": "object"}),
            "health": document("/api/v1/orgs/{org}/subjects", {"type": "object"}),
        },
        {"tickets": {"429": {"description": "Too many."}}, "health": {}},
        {"health": {"504": {"description": "Nobody knows."}}},
    )
    assert list(one["paths"]) == ["/api/v1/orgs/{org}/subjects", "/api/v1/orgs/{org}/tickets"]
    assert list(one["components"]["schemas"]) == ["Item"]
    assert one["security"] == [{"token": []}]
    assert "security" not in one["paths"]["/api/v1/orgs/{org}/tickets"]["get"]
    assert one["paths"]["/api/v1/orgs/{org}/tickets"]["get"]["tags"] == ["tickets"]
    answers = [set(methods["get"]["responses"]) for methods in one["paths"].values()]
    assert answers == [{"200"}, {"200", "429"}]
    answers = [set(methods["post"]["responses"]) for methods in one["paths"].values()]
    assert answers == [{"201", "504"}, {"201", "429"}]


@pytest.mark.rule("AC-40")
def test_one_name_for_two_things_becomes_two_names() -> None:
    one = merged(
        {"title": "Fettle"},
        {
            "tickets": document("/api/v1/a", {"type": "object"}),
            "health": document("/api/v1/b", {"type": "string"}),
        },
        {"tickets": {}, "health": {}},
        {},
    )
    assert one["components"]["schemas"] == {"HealthItem": {"type": "string"}, "Item": {"type": "object"}}
    answer = one["paths"]["/api/v1/b"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/HealthItem"}
