"""Bad commands and requests, each with the code that it is refused by; and what is good behind them still works."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ticket_api import REPORT, Api
from ticket_bad_commands import COMMANDS, GOOD, Bad, event_of
from ticket_bad_requests import REQUESTS, Refused
from ticket_desk import NOON
from ticket_door import Door

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Signer, SigningKey, Verifier
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.message import Unreadable
from fettle_contracts.problems import PROBLEM_TYPE
from fettle_contracts.times import to_ms
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder

KEY = SigningKey("k1", b"a" * 32)
DECODE = CommandDecoder(Verifier([KEY]), lambda: NOON)
STATE = "SELECT number, version, state, description, links, title FROM ticket ORDER BY org, number"


def record(event: CloudEvent) -> Record:
    headers, value = to_binary(event)
    key = None if event.key is None else event.key.encode()
    return Record("ticket.commands", 0, 7, to_ms(NOON), key, value, tuple(headers))


async def three_tickets(api: Api) -> None:
    """An open, a resolved and a started one."""
    for _ in range(3):
        assert (await api.post("/tickets", REPORT)).status_code == 201
    assert (await api.post("/tickets/2/resolve")).status_code == 200
    assert (await api.post("/tickets/3/start")).status_code == 200


@pytest.mark.rule("TS-81")
def test_the_corpus_is_as_large_as_was_promised() -> None:
    assert len(COMMANDS) + len(REQUESTS) >= 200
    assert min(len(COMMANDS), len(REQUESTS)) >= 150


@pytest.mark.rule("TS-81", "TS-4", "TS-19", "TS-29", "TS-31", "TS-33", "TS-34")
async def test_every_bad_command_is_refused_by_its_code(door: Door, api: Api) -> None:
    await three_tickets(api)
    before = await door.rows(STATE)
    faults = []
    for place, bad in enumerate(COMMANDS):
        said = await _became(door, bad, f"bad-{place}")
        if said != (bad.rejected, bad.code):
            faults.append(f"{bad.name}: {said} instead of {bad.rejected, bad.code}")
    assert not faults, "\n".join(faults)
    assert await door.rows(STATE) == before
    good = [DECODE(record(event_of(Bad(verb, {}, ""), f"good-{verb}"))) for verb in GOOD if verb != "update-checklist"]
    assert {answer.outcome.value for answer in await door.ask(*good)} == {"applied"}


async def _became(door: Door, bad: Bad, id: str) -> tuple[bool, str]:
    """Whether the command was rejected (else it became a dead letter), and the code."""
    event = event_of(bad, id)
    try:
        asked = DECODE(record(Signer([KEY]).sign_event(event) if bad.signed else event))
    except (BadRecord, Unreadable) as error:
        return False, str(error.code)
    answer = await door.ask_one(asked)
    return answer.outcome.value == "rejected", answer.reason


@pytest.mark.rule("TS-81", "TS-19", "TS-37", "TS-39")
async def test_every_bad_request_is_refused_by_its_code(door: Door, api: Api) -> None:
    await three_tickets(api)
    before = await door.rows(STATE)
    faults = []
    for bad in REQUESTS:
        status, said = await _answered(api, bad)
        if (status, said) != (bad.status, bad.code):
            faults.append(f"{bad.name}: {status, said} instead of {bad.status, bad.code}")
    assert not faults, "\n".join(faults)
    assert await door.rows(STATE) == before
    assert (await api.post("/tickets", REPORT)).status_code == 201
    assert (await api.post("/tickets/1/start", {"comment": "On it."})).status_code == 200


async def _answered(api: Api, bad: Refused) -> tuple[int, Any]:
    caller = Caller("acme", Role(bad.role), "ann@acme.test", "Ann")
    token = issue(api._settings.signing_keys, caller, datetime.now(UTC))
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **bad.headers}
    more = {"content": bad.body.encode()} if isinstance(bad.body, str) else {"json": bad.body}
    try:
        answer = await api._client.request(
            bad.method, f"/api/v1/orgs/acme{bad.path}", headers=headers, **({} if bad.body is None else more)
        )
    except Exception as error:  # noqa: BLE001 - what escapes is a fault of the service and is listed with the others
        return 500, repr(error)[:200]
    if answer.headers["content-type"] != PROBLEM_TYPE:
        return answer.status_code, answer.text[:200]
    return answer.status_code, answer.json()["code"]
