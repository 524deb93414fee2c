"""The policies of an org: how health is judged and for whom otherwise, and what holds for its tickets."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from fettle_client.shapes.health import ShownPolicy
from fettle_client.shapes.tickets import TicketPolicy
from fettle_console.adapters.org_client import ServiceRefused, unless_away
from fettle_console.entrypoints.pages.judging import late_since
from fettle_console.entrypoints.pages.visits import TheAdmin, TheVisit, Visit, command_of, texts_of
from fettle_console.views.address import query_of
from fettle_console.views.policy import KINDS, RULE_GROUPS, Holds, holding, overrides
from fettle_console.views.policy_forms import (
    Mistyped,
    ticket_policy,
    with_override,
    with_rules,
    with_switch,
    without_override,
)
from fettle_contracts.health_policy import RULES, HealthPolicy
from fettle_contracts.transitions import FAILING

router = APIRouter()

_SECTIONS = {
    "switch": "switches-title",
    "rules": "rules-title",
    "override": "overrides-title",
    "remove": "overrides-title",
    "tickets": "tickets-title",
}
"""Where on the page it says what became of a form."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_COUNTED = 100
"""So many of those that are down are counted; beyond that it is said that there are more."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form of the page held that was not saved: which form, what was in it, and why not. `wanted` is the policy
    that it would have made."""

    form: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None
    status: int = 200
    wanted: Mapping[str, Any] | None = None


@router.get("/orgs/{org}/health/policies")
async def policies_page(request: Request, visit: TheVisit) -> Response:
    """The page. `subject` asks which values hold for one, `override` opens one of them, or a new one, to write."""
    return await _page(visit, request, Typed())


@router.post("/orgs/{org}/health/policies")
async def save_policies(request: Request, visit: TheAdmin) -> Response:
    """Saves one form of the page. What is refused, also because somebody else has saved meanwhile, is said there and
    stays as typed; `try` saves nothing and shows what would hold."""
    said = await texts_of(request)
    form = said.get("form", "")
    try:
        if form == "tickets":
            await visit.client.put_ticket_policy(cast(TicketPolicy, ticket_policy(said)), **_as_seen(said))
        else:
            wanted = _wanted(form, await visit.client.get_health_policy(), said)
            if said.get("action") == "try":
                return await _page(visit, request, Typed(form, said, wanted=wanted))
            await visit.client.put_health_policy(cast(ShownPolicy, wanted), **_as_seen(said))
    except Mistyped as mistyped:
        return await _page(visit, request, Typed(form, said, str(mistyped), 400))
    except ServiceRefused as refused:
        reason = f"{'Somebody else has saved meanwhile. ' if refused.status == 412 else ''}{refused.message}"
        return await _page(visit, request, Typed(form, said, reason, refused.status))
    kept = query_of(subject=said.get("subject", ""), saved=form)
    return RedirectResponse(f"/orgs/{visit.org}/health/policies{kept}#{_SECTIONS.get(form, '')}", 303)


def _wanted(form: str, present: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    match form:
        case "rules":
            return with_rules(present, said)
        case "override":
            return with_override(present, _number(said, "place"), said)
        case "remove":
            return without_override(present, _number(said, "place"))
        case _:
            return with_switch(present, said)


def _number(said: Mapping[str, str], name: str) -> int | None:
    """A number that stands in the form as our page wrote it; None for anything else."""
    text = said.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _as_seen(said: Mapping[str, str]) -> dict[str, Any]:
    """By what a form is saved once, and only over the version that it showed."""
    return {"key": command_of(said.get("command_id", "")), "version": _number(said, "version") or 0}


async def _page(visit: Visit, request: Request, typed: Typed) -> Response:
    asked = request.query_params
    policy: Mapping[str, Any]
    policy, tickets = await asyncio.gather(
        visit.client.get_health_policy(), unless_away(visit.client.get_ticket_policy())
    )
    down = "" if policy["publish_tickets"] else await _down(visit)
    subject = typed.fields.get("subject", asked.get("subject", "")).strip()
    holds, unheld = await _holding(visit, policy, subject, typed.wanted) if subject else ([], None)
    chosen = typed.fields.get("place", "new") if typed.form == "override" else asked.get("override", "")
    return await visit.page(
        "policies.html",
        status=typed.status,
        late_since=late_since(policy, visit.console.now()),
        policy=policy,
        in_force=[one["version"] for one in policy["in_force"]],
        rules=RULE_GROUPS,
        defaults=RULES,
        overrides=overrides(policy),
        kinds=KINDS,
        chosen=chosen or ("new" if typed.form == "override" else ""),
        draft=_draft(policy, chosen, typed),
        own={name: policy[name] for name in RULES if policy[name] != RULES[name]},
        tickets=tickets,
        tickets_said=_said_of(tickets),
        down=down,
        subject=subject,
        holds=holds,
        unheld=unheld,
        typed=typed,
        saved=asked.get("saved", ""),
        command_id=str(uuid4()),
    )


def _draft(policy: Mapping[str, Any], chosen: str, typed: Typed) -> Mapping[str, Any]:
    """What the form of an override holds: what was typed, else what is there."""
    if typed.form == "override":
        return typed.fields
    present = policy.get("overrides", ())
    if not chosen.isdecimal() or int(chosen) >= len(present):
        return {}
    one = present[int(chosen)]
    ((kind, value),) = one["match"].items()
    shown = {name: "auto" if one[name] is None else one[name] for name in RULES if name in one}
    return {"kind": kind, "value": value, **shown}


async def _holding(
    visit: Visit, policy: Mapping[str, Any], subject: str, wanted: Mapping[str, Any] | None
) -> tuple[list[Holds], str | None]:
    """What holds for a subject, or why that cannot be said."""
    type_, _, id_ = subject.partition("/")
    try:
        found = await visit.client.get_subject(f"{type_}/{id_}")
    except ServiceRefused as refused:
        return [], refused.message
    try:
        typed = HealthPolicy.kept(wanted) if wanted else None
    except ValidationError as error:
        return [], "; ".join(str(fault["msg"]) for fault in error.errors())
    return holding(HealthPolicy.kept(policy), found, typed), None


def _said_of(tickets: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The ticket policy as its form shows it."""
    patterns = (tickets or {}).get("link_patterns", ())
    return {**(tickets or {}), "link_patterns": "\n".join(f"{one['pattern']} {one['url']}" for one in patterns)}


async def _down(visit: Visit) -> str:
    """How many would have a ticket if tickets had been published, as far as one page of them tells; empty for none."""
    failing: Any = [str(state) for state in FAILING]
    found = await visit.client.list_subjects(state=failing, limit=_COUNTED).page()
    if found["next_cursor"]:
        return f"more than {_COUNTED}"
    return str(len(found["items"]) or "")
