"""Trying workflows out by HTTP, as they are saved or as a document says that is not: nothing is sent, nothing kept."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fettle_chassis.http import Operator, Problem
from fettle_chassis.tokens import Caller
from fettle_contracts.hooks import HOOK_MAX_BYTES
from fettle_contracts.problems import ProblemCode
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters import run_lists
from fettle_workflow_engine.adapters.tickets import NoSuchEntry, NoSuchTicket, Tickets, TicketsAway
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.json_objects import kept
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.samples import NoTrigger, Sample, entry_for
from fettle_workflow_engine.domain.trial import NoOutcome, Outcome
from fettle_workflow_engine.entrypoints.http import pages, shown
from fettle_workflow_engine.entrypoints.http.desk import Desk, TheDesk
from fettle_workflow_engine.entrypoints.http.runs import no_such_run, run_id_of
from fettle_workflow_engine.library import Misnamed
from fettle_workflow_engine.trying import Busy, Subject, Trying

router = APIRouter(prefix="/api/v1/orgs/{org}/workflows/{name}", tags=["workflows"])

DAYS, MOST_DAYS = 7, 30
_NOT_YET = {
    EntryType.OPENED: "has not been opened",
    EntryType.STARTED: "has not been started",
    EntryType.COMMENT_ADDED: "has no comment",
    EntryType.RESOLVED: "has not been resolved",
    EntryType.REOPENED: "has not been reopened",
}


def _small(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(kept(data), ensure_ascii=False, separators=(",", ":")).encode()) > HOOK_MAX_BYTES:
        raise ValueError(f"has at most {HOOK_MAX_BYTES // 1024} KiB of JSON")
    return data


Data = Annotated[dict[str, Any], AfterValidator(_small)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Error(_Body):
    """Why a node fails."""

    code: str
    message: str


class Ending(_Body):
    """What becomes of a node: an output or an error."""

    output: Data | None = None
    error: Error | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Ending":
        if (self.output is None) == (self.error is None):
            raise ValueError("needs an output or an error, and not both")
        return self

    def outcome(self) -> Outcome:
        if self.error is not None:
            return Failure(self.error.code, self.error.message)
        return self.output or {}


class TestRun(_Body):
    """`trigger` is a node or a kind, `event` what happens, `run` a recorded run whose event to take instead, `ticket`
    the number of one to take what happened to it last; `document` is the workflow as it is not saved, `outcomes` what
    becomes of nodes."""

    trigger: str | None = None
    event: Data | None = None
    run: str | None = None
    ticket: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    document: str | None = None
    outcomes: dict[str, Ending] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_event(self) -> "TestRun":
        if self.run is not None and (self.event, self.trigger, self.ticket) != (None, None, None):
            raise ValueError("run brings its event and its trigger along")
        if self.ticket is not None and self.event is not None:
            raise ValueError("ticket brings its event along")
        return self


class Preview(_Body):
    """How many days to look back, and the workflow as it is not saved."""

    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = DAYS
    document: str | None = None


async def _trying(request: Request) -> Trying:
    trying: Trying = request.app.state.trying
    return trying


async def _tickets(request: Request) -> Tickets:
    tickets: Tickets = request.app.state.tickets
    return tickets


TheTrying = Annotated[Trying, Depends(_trying)]
TheTickets = Annotated[Tickets, Depends(_tickets)]


@router.post("/test-runs")
async def try_run(
    name: pages.Name,
    caller: Operator,
    desk: TheDesk,
    trying: TheTrying,
    tickets: TheTickets,
    body: TestRun | None = None,
) -> dict[str, Any]:
    """What a run by this event would do, node by node: what goes in, what would be sent, what comes out (as it is given
    or else made up); and why a trigger would not have fired. Waits are over at once. On a `ticket` the event is the
    newest entry of its timeline that the trigger is for (without one: the first trigger that is about tickets), with
    the ticket as it is now."""
    asked = body or TestRun()
    subject = await _subject(desk, trying, caller.org, name, asked.document)
    try:
        if asked.run is not None:
            sample = await _recorded(desk, caller.org, asked.run)
        elif asked.ticket is not None:
            sample = await _happened(tickets, subject, caller, asked.trigger, asked.ticket)
        else:
            sample = trying.sample(subject, asked.trigger, asked.event)
        outcomes = {node: ending.outcome() for node, ending in asked.outcomes.items()}
        return dict(await trying.test_run(subject, sample, outcomes))
    except NoTrigger as reason:
        raise Problem(422, ProblemCode.INVALID, str(reason), field="trigger") from None
    except NoOutcome as reason:
        raise Problem(422, ProblemCode.INVALID, str(reason), field="outcomes") from None


@router.post(
    "/preview",
    responses={429: {"description": "Other previews are being made, or the token's requests come too fast"}},
)
async def preview(
    name: pages.Name, caller: Operator, desk: TheDesk, trying: TheTrying, body: Preview | None = None
) -> dict[str, Any]:
    """Which of the events of the last days would have started the workflow, how often, and what the newest would have
    done. Says from when on it has seen all of them, and what it left out. 429 while too many are being made."""
    asked = body or Preview()
    subject = await _subject(desk, trying, caller.org, name, asked.document)
    try:
        return dict(await trying.preview(subject, asked.days))
    except Busy:
        message = "Other previews are being made. Try again soon."
        raise Problem(429, ProblemCode.TOO_MANY, message, headers={"Retry-After": "5"}) from None


async def _subject(desk: Desk, trying: Trying, org: str, name: str, document: str | None) -> Subject:
    try:
        async with desk.database.reading() as connection:
            found = await trying.subject(connection, org, name, document)
    except DocumentRefused as refusal:
        raise shown.refused(refusal) from None
    except Misnamed as misnamed:
        message = f"The document is of {str(misnamed)!r}, the path says {name!r}."
        raise Problem(422, ProblemCode.INVALID, message, field="document") from None
    if found is None:
        raise shown.no_such_workflow()
    return found


async def _happened(tickets: Tickets, subject: Subject, caller: Caller, trigger: str | None, number: int) -> Sample:
    entry = entry_for(subject.definition, trigger)
    try:
        return await tickets.newest(caller, number, entry)
    except NoSuchTicket as reason:
        raise Problem(404, ProblemCode.NOT_FOUND, str(reason), field="ticket") from None
    except NoSuchEntry:
        message = f"Ticket {number} {_NOT_YET[entry]}: name another trigger or ticket."
        raise Problem(422, ProblemCode.INVALID, message, field="ticket") from None
    except TicketsAway as reason:
        headers = {"Retry-After": "2"} if reason.again else {}
        raise Problem(503, ProblemCode.UNAVAILABLE, str(reason), headers=headers) from None


async def _recorded(desk: Desk, org: str, run: str) -> Sample:
    id = run_id_of(run)
    async with desk.database.reading() as connection:
        found = await run_lists.find(connection, org, id)
    if found is None:
        raise no_such_run()
    return Sample(found["trigger"], found["event"], found["event_id"], found["depth"])
