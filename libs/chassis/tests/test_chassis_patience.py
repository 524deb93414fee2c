"""What passes by itself, whichever library says it."""

import asyncio
from itertools import islice

import asyncpg
import pytest
from aiokafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fettle_chassis.failures import BadRecord, TransientError
from fettle_chassis.patience import is_transient, patiently, pauses
from fettle_contracts.codes import DeadLetterCode

PASSES = [
    TransientError("later"),
    TimeoutError(),
    ConnectionRefusedError(),
    PoolTimeoutError(),
    KafkaConnectionError(),
    NodeNotReadyError(),
    RequestTimedOutError(),
    KafkaTimeoutError("Failed to get offsets by times in 10000 ms"),
    UnknownError(),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
]
STAYS = [
    ValueError(),
    BadRecord(DeadLetterCode.UNREADABLE, "no JSON"),
    TopicAuthorizationFailedError(),
    CommitFailedError(),
    asyncpg.UniqueViolationError("twice"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncio.CancelledError(),
]


@pytest.mark.rule("KF-35")
@pytest.mark.parametrize("error", PASSES, ids=repr)
def test_a_server_that_is_away_passes(error: BaseException) -> None:
    assert is_transient(error)


@pytest.mark.rule("KF-35")
@pytest.mark.parametrize("error", STAYS, ids=repr)
def test_what_another_try_cannot_change_does_not_pass(error: BaseException) -> None:
    assert not is_transient(error)


@pytest.mark.rule("KF-35")
def test_pauses_are_doubled_up_to_the_longest() -> None:
    for pause, at_most in zip(islice(pauses(0.1, 2.0), 8), (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0), strict=True):
        assert 0.75 * at_most <= pause <= at_most


@pytest.mark.rule("KF-35")
async def test_what_passes_is_tried_again_until_it_works() -> None:
    failures = iter([KafkaTimeoutError(), OSError()])

    async def action() -> str:
        if (failure := next(failures, None)) is not None:
            raise failure
        return "done"

    assert await patiently(action) == "done"
