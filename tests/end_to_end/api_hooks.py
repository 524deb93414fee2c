"""What Schemathesis is told about our API: what every refusal looks like, and what a stranger must not do while asking.

Loaded by Schemathesis in its own process. `ASKING_TOKEN_ID` in the environment is the id of the token it asks with.
"""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import schemathesis
from schemathesis.core.failures import Failure

from fettle_contracts.problems import PROBLEM_TYPE

Case: TypeAlias = schemathesis.Case[Any]

OWN_TOKEN = os.environ.get("ASKING_TOKEN_ID", "")


@schemathesis.check
def refusals_are_problem_details(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Every refusal is a problem detail that repeats its status, with a code that the document names for it. What no
    operation is asked by (another method) is documented nowhere."""
    if response.status_code < 400:
        return
    said = response.headers.get("content-type", [""])[0]
    if said.partition(";")[0] != PROBLEM_TYPE:
        raise _fault(case, f"{response.status_code} comes as {said!r}")
    problem = response.json()
    missing = {"type", "title", "status", "code", "detail"} - set(problem)
    if missing or problem["status"] != response.status_code or not problem["detail"]:
        raise _fault(case, f"{response.status_code} says {problem}")
    about = case.operation.definition.raw["responses"].get(str(response.status_code))
    if about is not None and f"`{problem['code']}`" not in about["description"]:
        raise _fault(case, f"{response.status_code} has the code {problem['code']!r}, which nobody was told of")


@schemathesis.serializer("application/x-ndjson", "text/csv", "application/yaml")
def lines(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    """Texts as they are."""
    return str(value).encode(errors="surrogatepass")


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Case) -> bool:
    """It keeps the token that it asks with."""
    return not (OWN_TOKEN and OWN_TOKEN in str(case.path_parameters))


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """It may not shut the door through which people report."""
    if isinstance(body, dict) and body.get("report_issue_enabled") is False:
        return {**body, "report_issue_enabled": True}
    return body


def _fault(case: Case, message: str) -> Failure:
    return Failure(operation=case.operation.label, title="A refusal is no problem detail of ours", message=message)
