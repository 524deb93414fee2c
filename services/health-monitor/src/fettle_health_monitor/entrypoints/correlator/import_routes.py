"""`POST /subjects/import`: many subjects for the registry at once."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO

import msgspec
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from fettle_chassis.http import Operator, Problem
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import SubjectRef
from fettle_contracts.imports import IMPORT_MAX_LINES
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import rfc3339
from fettle_health_monitor.adapters.correlator.acknowledgement import acknowledged_of_subjects
from fettle_health_monitor.domain.correlator.import_lines import (
    EntryLine,
    Format,
    Line,
    LineReader,
    RefusedLine,
    WrongHeader,
)
from fettle_health_monitor.domain.correlator.registration import Entering, Refused
from fettle_health_monitor.entrypoints.correlator.api import HealthApi
from fettle_health_monitor.entrypoints.correlator.examples import LINES, TABLE
from fettle_health_monitor.metrics import IMPORTED

log = structlog.get_logger(__name__)

LINES_PER_TRANSACTION = 500
_IN_MEMORY_BYTES = 2**20

_FORMATS: dict[str, Format] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
_RESULTS = "application/x-ndjson"
_ENCODER = msgspec.json.Encoder()

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": TABLE},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": LINES},
        },
    }
}
_TOO_MUCH = "Over 64 MiB or 200,000 lines: nothing was entered."


class LineResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one line, counted from 1: `added`, `changed`, `unchanged` or `refused`."""

    line: int
    subject: str | None
    result: str
    code: str | None = None
    field: str | None = None
    rule: str | None = None


def import_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.post("/subjects/import", openapi_extra=_BODY, responses={413: {"description": _TOO_MUCH}})
    async def import_subjects(org: str, request: Request, caller: Operator, dry_run: bool = False) -> StreamingResponse:
        """Enters subjects into the registry as PUT does, each line for itself: CSV with a header, or one JSON object a
        line, with `type`, `id` and the fields of PUT. Of several lines about one subject the first that can be read
        counts. What stands there already is `unchanged`, so the same file may come again, also after a break: an answer
        without its summary is of an import that did not come to its end. A dry run enters nothing and answers the same.
        Nothing is entered of a file that is too large, is empty, or has a header that cannot be read."""
        reader = LineReader(_format(request))
        results = _results(api, org, await _received(request), reader, by=caller.actor_id, dry_run=dry_run)
        first = await anext(results)

        async def answer() -> AsyncIterator[bytes]:
            yield first
            async for more in results:
                yield more

        return StreamingResponse(answer(), media_type=_RESULTS)

    return router


def _format(request: Request) -> Format:
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in _FORMATS:
        message = f"must be {' or '.join(_FORMATS)}, by what the body is"
        raise Problem(400, ProblemCode.MALFORMED, message, field="Content-Type")
    return _FORMATS[said]


async def _received(request: Request) -> IO[bytes]:
    """The whole body. All of it is here before the first line is entered: what it may not be changes nothing, and a
    caller who sends all before reading is not left hanging."""
    body: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by who reads it
    ends, lines = 0, 0
    try:
        async for piece in request.stream():
            ends += piece.count(b"\n")
            lines = ends + (not piece.endswith(b"\n")) if piece else lines
            if lines > IMPORT_MAX_LINES:
                message = f"The body is over {IMPORT_MAX_LINES} lines."
                raise Problem(413, ProblemCode.TOO_LARGE, message)
            body.write(piece)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


async def _results(
    api: HealthApi, org: str, body: IO[bytes], reader: LineReader, *, by: str, dry_run: bool
) -> AsyncIterator[bytes]:
    """The answer piece by piece, a transaction each. Raises Problem, before anything is entered, for a file without a
    line and an org that is not there."""
    counts = Counter[str]()
    with body:
        batches = _batches(body, reader)
        first = next(batches, None)
        if first is None:
            raise Problem(400, ProblemCode.MALFORMED, "The body holds no line about a subject.")
        for batch in chain((first,), batches):
            async with unit_of_work(api.database) as work:
                entries = {line.subject: line.said for line in batch if isinstance(line, EntryLine)}
                became = await api.registry.enter(work, org, entries, by=by, dry_run=dry_run)
                if became is None:
                    raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
            results = [_result(line, became) for line in batch]
            counts.update(each.result for each in results)
            yield _ENCODER.encode_lines(results)
    yield await _summary(api, org, counts, dry_run=dry_run)
    if not dry_run:
        for result, lines in counts.items():
            IMPORTED.labels(result).inc(lines)
        log.info("subjects.imported", org=org, by=by, **counts)


def _batches(body: IO[bytes], reader: LineReader) -> Iterator[Sequence[Line]]:
    batch: list[Line] = []
    try:
        for number, text in enumerate(body, start=1):
            line = reader.read(number, text)
            if line is not None:
                batch.append(line)
            if len(batch) == LINES_PER_TRANSACTION:
                yield batch
                batch = []
    except WrongHeader as wrong:
        raise Problem(400, ProblemCode.MALFORMED, wrong.rule, field=wrong.field or None) from None
    if batch:
        yield batch


def _result(line: Line, became: Mapping[SubjectRef, Entering | Refused]) -> LineResult:
    if isinstance(line, RefusedLine):
        return LineResult(line.number, line.subject, "refused", line.code, line.field, line.rule)
    one = became[line.subject]
    if isinstance(one, Refused):
        return LineResult(line.number, str(line.subject), "refused", ProblemCode.MALFORMED, one.field, one.rule)
    return LineResult(line.number, str(line.subject), one.value)


async def _summary(api: HealthApi, org: str, counts: Counter[str], *, dry_run: bool) -> bytes:
    """`acknowledged` says whether Kafka has all that shards have been told of the org's subjects, so also what an
    import that broke off has told before this one; it is null in a dry run."""
    done = None
    if not dry_run:
        done = await acknowledged_of_subjects(api.database, org, within_s=api.acknowledged_within_s)
    async with api.database.reading() as connection:
        as_of = await api.as_of(connection, org)
    named = {name: counts[name] for name in (*Entering, "refused")}
    summary = {
        "dry_run": dry_run,
        "lines": counts.total(),
        **named,
        "acknowledged": done,
        "as_of": None if as_of is None else rfc3339(as_of),
    }
    return _ENCODER.encode_lines([{"summary": summary}])
