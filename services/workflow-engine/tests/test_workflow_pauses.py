"""The interpreter by example: waits, calls, ends, and runs that are taken up again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from test_workflow_runs import ANSWER, LANGUAGES, REJECTED, RUN_ID, definition, go_on, started, states
from ticket_event import AT, ticket_event

from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.domain import catalogue, waits
from fettle_workflow_engine.domain.advance import advance
from fettle_workflow_engine.domain.calls import Again, Done, Failed, OutsideCall, Retry, after, worn_out
from fettle_workflow_engine.domain.endings import cancel, retry, time_out
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Call, Failure, GiveCommand, Result, Run, RunState, Watch
from fettle_workflow_engine.domain.sizes import LIMIT_BYTES
from fettle_workflow_engine.domain.waits import ELAPSED, Seen, Sighting

TICKET_ID = ticket_event().ticket.id
DAY = timedelta(days=1)


def chain(*actions: str) -> str:
    """Actions one after the other, named a, b, c …"""
    lines = ["  opened: {trigger: ticket.opened}"]
    before = "opened"
    for name, action in zip("abcdef", actions, strict=False):
        lines.append(f"  {name}: {{after: [{before}], {action}}}")
        before = name
    return "\n".join(lines)


NOTED = "action: ticket.comment, with: {ticket: 42, text: Seen.}"
CALLED = "action: http.request, with: {url: {ref: event.ticket.number}}"


def wait(until: str | None = None, length: str = "1d") -> str:
    more = f", until_ticket: {{ticket: {{ref: {until}}}, change: resolved}}" if until else ""
    return f"action: wait, with: {{for: {length}{more}}}"


@pytest.mark.rule("WF-70")
@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        ("1", 1), ("90", 90), ('"90"', 90), ("15m", 900), ("2h", 7_200), ("1d", 86_400), ("2w", 1_209_600),
        ("30d", 2_592_000), ("2592000", 2_592_000),
    ],
)  # fmt: skip
def test_a_wait_lasts_as_long_as_it_says(length: str, seconds: int) -> None:
    workflow = definition(chain(wait(length=length), NOTED))
    asleep = go_on(workflow, started(workflow))
    assert asleep.effects == ()
    step = asleep.run.steps["a"]
    assert (step.wake_at, step.watches) == (AT + timedelta(seconds=seconds), None)
    awake = go_on(workflow, asleep.run, {"ended_by": ELAPSED}, later_s=seconds)
    assert [effect.node for effect in awake.effects] == ["b"]
    assert awake.run.steps["a"].output == {"ended_by": "elapsed"}


@pytest.mark.rule("WF-70")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{for: 31d}", "`for` must be from 1 s to 30 d"),
        ("{for: 2592001}", "`for` must be from 1 s to 30 d"),
        ("{for: 0}", "`for` must be from 1 s to 30 d"),
        ("{for: 1.5h}", "`for` must be a length of time: seconds, or a whole number with s, m, h, d or w"),
        ("{for: true}", "`for` must be a length of time: seconds, or a whole number with s, m, h, d or w"),
        ("{for: [1]}", "`for` must be a length of time: seconds, or a whole number with s, m, h, d or w"),
        ("{}", "wait needs `for`: a length of time: seconds, or a whole number with s, m, h, d or w"),
        ("{for: 1d, until_ticket: {ticket: 1}}", "`until_ticket` needs `change`"),
        ("{for: 1d, until_ticket: {change: any}}", "`until_ticket` needs `ticket`"),
        ("{for: 1d, until_ticket: 1}", "`until_ticket` must be a ticket and a change of it: {ticket, change}"),
        ("{for: 1d, until_ticket: {ticket: {ref: event.entry}, change: any}}", "`until_ticket.ticket` must be"),
        ("{for: 1d, until_ticket: {ticket: 1, change: resolve}}", "unknown change of a ticket 'resolve'"),
        ("{for: 1d, until_ticket: {ticket: 1, change: opened}}", "unknown change of a ticket 'opened'"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(fields: str, said: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        definition(chain(f"action: wait, with: {fields}"))
    assert refused.value.faults[0].message.startswith(said)


@pytest.mark.rule("WF-70")
@pytest.mark.parametrize(
    "value", ["event.ticket.title", "event.entry.evidence.last_heard", "event.ticket.resolution", "event.ticket.number"]
)
def test_a_wait_whose_length_is_none_fails(value: str) -> None:
    workflow = definition(chain(f"action: wait, with: {{for: {{ref: {value}}}}}"))
    run = go_on(workflow, started(workflow, number=2_592_001)).run
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, "input_invalid")


@pytest.mark.rule("WF-79")
def test_the_time_that_a_wait_takes_is_not_the_run_s() -> None:
    workflow = definition(chain(wait(length="10d"), NOTED))
    asleep = go_on(workflow, started(workflow)).run
    assert asleep.timeout_at == AT + 12 * DAY
    over = go_on(workflow, asleep, {"ended_by": ELAPSED}, later_s=10 * 86_400).run
    assert over.timeout_at == AT + 12 * DAY
    assert go_on(workflow, asleep, {"ended_by": ELAPSED}, later_s=11 * 86_400).run.timeout_at == AT + 12 * DAY
    early = go_on(workflow, asleep, {"ended_by": "resolved"}, later_s=3 * 86_400).run
    assert early.timeout_at == AT + 5 * DAY
    assert time_out(workflow, early, now=early.timeout_at).error == Failure(
        "timeout", "The run took longer than its 172800 s."
    )


@pytest.mark.rule("WF-71")
def test_a_wait_knows_the_newest_version_that_the_run_has_seen() -> None:
    """Of the event, or of an output of its own."""

    ticket = {"id": str(TICKET_ID), "number": 42, "state": "open"}

    def watched(before: str, named: str) -> Any:
        workflow = definition(chain(before, wait(named)))
        done = go_on(workflow, started(workflow, version=4))
        while not done.run.steps.get("b"):
            answer = {"outcome": "applied", "ticket": {**ticket, "version": 6}}
            done = go_on(workflow, done.run, answer if done.effects else {"ended_by": ELAPSED})
        return done.run.steps["b"].watches

    for named in ("event.ticket", "event.ticket.id", "event.ticket.number"):
        assert watched(NOTED, named) == Watch(TICKET_ID, "resolved", 6)
        assert watched(wait(), named) == Watch(TICKET_ID, "resolved", 4)
    assert watched(NOTED, "a.ticket") == Watch(TICKET_ID, "resolved", 6)


@pytest.mark.rule("WF-71")
def test_a_wait_for_a_ticket_that_the_run_does_not_know() -> None:
    by_id = {"for": "1d", "until_ticket": {"ticket": str(UUID(int=5)), "change": "any"}}
    assert waits.read_wait(by_id, {"event": {}}) == (DAY, Watch(UUID(int=5), "any", None))
    for ticket in (5, "nonsense", None, {"id": 5}):
        with pytest.raises(InputFailed) as failure:
            waits.read_wait({"for": "1d", "until_ticket": {"ticket": ticket, "change": "any"}}, {"event": {}})
        assert failure.value.code == "input_invalid"
    for change in ("opened", None, 5):
        with pytest.raises(InputFailed):
            waits.read_wait({"for": "1d", "until_ticket": {"ticket": str(UUID(int=5)), "change": change}}, {})


@pytest.mark.rule("WF-71")
@pytest.mark.parametrize(
    ("change", "since", "seen", "by"),
    [
        ("any", 3, Seen(3, "open", {"opened": 1, "comment-added": 3}), None),
        ("any", 2, Seen(4, "open", {"opened": 1, "comment-added": 3, "links-edited": 4}), "links-edited"),
        ("any", None, Seen(3, "open", {"comment-added": 3}), None),
        ("comment-added", 2, Seen(4, "open", {"comment-added": 3, "links-edited": 4}), "comment-added"),
        ("comment-added", 3, Seen(4, "open", {"comment-added": 3, "links-edited": 4}), None),
        ("resolved", 1, Seen(4, "open", {"resolved": 2, "reopened": 3}), "resolved"),
        ("resolved", 3, Seen(4, "open", {"resolved": 2, "reopened": 3}), None),
        # A ticket that is resolved already, or whose resolving was not seen, is resolved.
        ("resolved", 2, Seen(2, "resolved", {"resolved": 2}), "resolved"),
        ("resolved", None, Seen(7, "resolved", {"comment-added": 7}), "resolved"),
        ("started", 2, Seen(2, "in_progress", {"comment-added": 2}), "started"),
        ("reopened", None, Seen(2, "open", {"reopened": 2}), None),
        # What was seen is older than what the run knows.
        ("resolved", 3, Seen(2, "resolved", {"resolved": 2}), None),
        ("any", 0, Seen(0, "", {}), None),
    ],
)
def test_what_ends_a_wait_for_a_ticket(change: str, since: int | None, seen: Seen, by: str | None) -> None:
    assert waits.ended_by(Watch(TICKET_ID, change, since), seen) == by


@pytest.mark.rule("WF-71")
def test_what_is_seen_of_a_ticket_is_its_newest_version() -> None:
    def one(change: str, version: int, state: str, org: str = "acme") -> Sighting:
        return Sighting(org, TICKET_ID, version, state, change)

    came = (one("reopened", 3, "open"), one("resolved", 2, "resolved"), one("resolved", 5, "resolved", "other"))
    assert waits.newest((*came, one("reopened", 1, "open"))) == {
        ("acme", TICKET_ID): Seen(3, "open", {"resolved": 2, "reopened": 3}),
        ("other", TICKET_ID): Seen(5, "resolved", {"resolved": 5}),
    }


def test_every_change_but_the_first_can_be_waited_for() -> None:
    assert set(catalogue.CHANGES) == {"any", *EntryType} - {EntryType.OPENED}


@pytest.mark.rule("WF-72")
def test_fail_ends_the_run_with_its_message() -> None:
    workflow = definition("""
  opened: {trigger: ticket.opened}
  stop: {after: [opened], action: fail, with: {message: {template: "No: {{ event.ticket.number }}"}}}
  other: {after: [opened], action: ticket.start, with: {ticket: 1}}
""")
    done = go_on(workflow, started(workflow))
    assert done.effects == ()
    assert (done.run.state, done.run.error) == (RunState.FAILED, Failure("stopped", "No: 42"))
    assert states(done.run) == {"opened": "done", "stop": "failed", "other": "skipped"}
    for way in ("stop", "stop.error"):
        with pytest.raises(DocumentRefused) as refused:
            definition(f"""
  opened: {{trigger: ticket.opened}}
  stop: {{after: [opened], action: fail, with: {{message: No.}}}}
  after: {{after: [{way}], action: ticket.start, with: {{ticket: 1}}}}
""")
        assert refused.value.faults[0].message == "'stop' ends the run: nothing follows it"
    unsaid = definition(chain("action: fail, with: {message: {ref: event.ticket.resolution}}"))
    error = go_on(unsaid, started(unsaid)).run.error
    assert error == Failure("input_invalid", "a: fail needs message, which is null.")


@pytest.mark.rule("WF-73")
def test_a_call_has_its_id_and_what_is_to_be_known_of_its_run() -> None:
    workflow = definition(chain(CALLED, NOTED))
    done = go_on(workflow, started(workflow))
    request = {"org": "acme", "run": str(RUN_ID), "node": "a", "workflow": "w", "title": "W", "depth": 1, "url": 42}
    assert done.effects == (Call(uuid5(RUN_ID, "a"), "a", "http.request", request),)
    assert done.run.steps["a"].attempts == 0
    shown = replace(done.run.steps["a"], error=Failure("away", "Not there."), attempts=3)
    trying = replace(done.run, steps={**done.run.steps, "a": shown})
    assert trying.waiting == shown
    over = go_on(workflow, trying, {"status": 200})
    assert (over.run.steps["a"].output, over.run.steps["a"].error) == ({"status": 200}, None)
    assert over.run.steps["a"].attempts == 3
    assert [effect.node for effect in over.effects] == ["b"]


@pytest.mark.rule("WF-73")
def test_a_call_is_retried_eight_times_with_growing_pauses() -> None:
    failure = Failure("away", "Not there.")
    call = OutsideCall(UUID(int=1), "acme", "http.request", {})
    pauses = []
    for attempt in range(1, 9):
        again = after(replace(call, attempt=attempt), Retry(failure), jitter=0.0)
        assert isinstance(again, Again)
        assert again.failure == failure
        pauses.append(again.in_s)
        least = after(replace(call, attempt=attempt), Retry(failure), jitter=1.0)
        assert isinstance(least, Again)
        assert least.in_s == pytest.approx(again.in_s * 0.75)
    assert (pauses[0], pauses[-1]) == (1.0, 600.0)
    assert pauses == sorted(set(pauses))
    assert worn_out(replace(call, attempt=9)) is None
    assert worn_out(replace(call, attempt=10)) == Result(
        call.id, Failure("interrupted", "None of its attempts came to an end.", unsure=True)
    )
    assert after(replace(call, attempt=9), Retry(failure, 5.0), jitter=0.0) == Result(
        call.id, replace(failure, unsure=True)
    )


@pytest.mark.rule("WF-73")
def test_what_the_other_side_asks_for_is_kept_up_to_ten_minutes() -> None:
    call = OutsideCall(UUID(int=1), "acme", "http.request", {})
    failure = Failure("busy", "Later.")
    for asked, kept in ((30.0, 30.0), (599.0, 599.0), (3_600.0, 600.0), (-1.0, 0.0)):
        assert after(call, Retry(failure, asked), jitter=1.0) == Again(kept, failure)
    assert after(call, Failed(failure), jitter=0.0) == Result(call.id, failure)
    assert after(call, Done({"a": 1}), jitter=0.0) == Result(call.id, {"a": 1})


@pytest.mark.rule("WF-75")
def test_a_cancelled_run_is_over() -> None:
    workflow = definition(chain(NOTED, NOTED))
    waiting = go_on(workflow, started(workflow)).run
    gone = cancel(workflow, waiting, "ann", now=AT + DAY)
    assert (gone.state, gone.error, gone.ended_at) == (
        RunState.CANCELLED,
        Failure("cancelled", "Cancelled by ann."),
        AT + DAY,
    )
    assert states(gone) == {"opened": "done", "a": "failed", "b": "skipped"}
    late = Result(uuid5(RUN_ID, "a"), ANSWER)
    assert advance(workflow, gone, late, now=AT, languages=LANGUAGES).run == gone
    assert cancel(workflow, gone, "bob", now=AT + 2 * DAY) == gone
    assert states(cancel(None, waiting, "ann", now=AT)) == {"opened": "done", "a": "failed"}


def failed_at_b(outcome: Any = REJECTED) -> tuple[Any, Run]:
    workflow = definition(chain(NOTED, CALLED, NOTED))
    return workflow, go_on(workflow, go_on(workflow, go_on(workflow, started(workflow)).run, ANSWER).run, outcome).run


@pytest.mark.rule("WF-76")
def test_a_failed_run_goes_on_from_the_node_that_failed_it() -> None:
    workflow, failed = failed_at_b()
    assert states(failed) == {"opened": "done", "a": "done", "b": "failed", "c": "skipped"}
    again = retry(workflow, failed, now=AT + DAY, languages=LANGUAGES)
    (call,) = again.effects
    assert (call.node, call.id) == ("b", uuid5(uuid5(RUN_ID, "b"), "again"))
    assert (again.run.id, again.run.state, again.run.error, again.run.ended_at) == (
        RUN_ID,
        RunState.RUNNING,
        None,
        None,
    )
    assert again.run.steps["a"] == failed.steps["a"]
    assert again.run.timeout_at == AT + 3 * DAY
    old = Result(uuid5(RUN_ID, "b"), {"status": 1})
    assert advance(workflow, again.run, old, now=AT, languages=LANGUAGES).run == again.run
    over = go_on(workflow, go_on(workflow, again.run, {"status": 2}).run, ANSWER).run
    assert states(over) == {"opened": "done", "a": "done", "b": "done", "c": "done"}
    assert over.state is RunState.DONE


@pytest.mark.rule("WF-76")
def test_a_failure_that_was_followed_is_not_what_a_retry_goes_on_from() -> None:
    workflow = definition(f"{chain(NOTED)}\n  b: {{after: [a.error], {NOTED}}}")
    first_failed = go_on(workflow, go_on(workflow, started(workflow)).run, REJECTED)
    failed = go_on(workflow, first_failed.run, REJECTED).run
    assert states(failed) == {"opened": "done", "a": "failed", "b": "failed"}
    again = retry(workflow, failed, now=AT, languages=LANGUAGES)
    assert [effect.node for effect in again.effects] == ["b"]
    assert again.run.steps["a"] == failed.steps["a"]


@pytest.mark.rule("WF-76")
def test_a_retried_command_has_a_new_id_once_the_first_has_its_answer() -> None:
    workflow = definition(chain(NOTED))
    waiting = go_on(workflow, started(workflow)).run
    first = uuid5(RUN_ID, "a")
    rejected = go_on(workflow, waiting, REJECTED).run
    second = retry(workflow, rejected, now=AT, languages=LANGUAGES)
    assert [effect.id for effect in second.effects] == [uuid5(first, "again")]
    third = retry(workflow, go_on(workflow, second.run, REJECTED).run, now=AT, languages=LANGUAGES)
    (command,) = third.effects
    assert isinstance(command, GiveCommand)
    assert command.id == uuid5(uuid5(first, "again"), "again")
    assert third.run.steps["a"].attempts == 3


@pytest.mark.rule("WF-76")
def test_what_may_have_been_done_is_asked_for_under_the_same_id() -> None:
    workflow = definition(chain(NOTED))
    waiting = go_on(workflow, started(workflow)).run
    late = time_out(workflow, waiting, now=waiting.timeout_at)
    assert late.steps["a"].error == Failure("timeout", "The run took longer than its 172800 s.", unsure=True)
    again = retry(workflow, late, now=AT + 3 * DAY, languages=LANGUAGES)
    assert [effect.id for effect in again.effects] == [uuid5(RUN_ID, "a")]
    workflow, failed = failed_at_b(Failure("away", "Not there.", unsure=True))
    assert [effect.id for effect in retry(workflow, failed, now=AT, languages=LANGUAGES).effects] == [
        uuid5(RUN_ID, "b")
    ]


@pytest.mark.rule("WF-76")
def test_only_the_node_that_failed_counts_its_attempts_on() -> None:
    nodes = chain(NOTED) + "\n  b: {after: [a.error], action: ticket.start, with: {ticket: 1}}"
    workflow = definition(nodes)
    waiting = go_on(workflow, started(workflow)).run
    late = time_out(workflow, waiting, now=waiting.timeout_at)
    changed = definition(nodes.replace("text: Seen.", "text: {ref: event.ticket.resolution}"))
    again = retry(changed, late, now=AT, languages=LANGUAGES)
    assert states(again.run) == {"opened": "done", "a": "failed", "b": "waiting"}
    assert [(effect.node, effect.id) for effect in again.effects] == [("b", uuid5(RUN_ID, "b"))]
    assert [again.run.steps[node].attempts for node in "ab"] == [2, 1]


@pytest.mark.rule("WF-76")
def test_only_a_run_that_a_node_has_failed_is_retried() -> None:
    workflow = definition(chain(NOTED))
    waiting = go_on(workflow, started(workflow)).run
    for run in (waiting, go_on(workflow, waiting, ANSWER).run, cancel(workflow, waiting, "ann", now=AT)):
        with pytest.raises(ValueError, match="has not failed by a node"):
            retry(workflow, run, now=AT, languages=LANGUAGES)


@pytest.mark.rule("WF-78")
def test_what_is_too_large_fails_its_node() -> None:
    text = "x" * 40_000
    workflow = definition(chain("action: http.request, with: {url: {ref: event.ticket.description}}", NOTED))
    fits = go_on(workflow, started(workflow, description=text))
    assert len(fits.effects) == 1
    full = go_on(workflow, started(workflow, description="x" * LIMIT_BYTES)).run
    assert (full.state, full.steps["a"].input and full.steps["a"].input["cut"]) == (RunState.FAILED, True)
    assert full.error == Failure("input_too_large", "a: The fields are longer than 64 KiB together.")
    over = go_on(workflow, fits.run, {"body": "ø" * 40_000}).run
    assert over.steps["a"].output == {"cut": True, "bytes": 80_012, "begins": '{"body": "' + "ø" * 990}
    assert over.steps["a"].error == Failure("output_too_large", "The output is longer than 64 KiB.", unsure=True)
    assert states(over) == {"opened": "done", "a": "failed", "b": "skipped"}


@pytest.mark.rule("WF-78")
def test_exactly_64_kib_are_kept_of_input_and_output_and_not_one_byte_more() -> None:
    workflow = definition(chain("action: http.request, with: {url: {ref: event.ticket.description}}", NOTED))
    longest = "x" * (LIMIT_BYTES - len('{"url": ""}'))
    fits = go_on(workflow, started(workflow, description=longest))
    assert fits.run.steps["a"].input == {"url": longest}
    assert len(fits.effects) == 1
    over = go_on(workflow, started(workflow, description=longest + "x")).run.steps["a"]
    assert (over.input or {})["bytes"] == LIMIT_BYTES + 1
    most = {"body": "x" * (LIMIT_BYTES - len('{"body": ""}'))}
    assert go_on(workflow, fits.run, most).run.steps["a"].output == most
    more = go_on(workflow, fits.run, {"body": most["body"] + "x"}).run.steps["a"]
    assert (more.output or {})["bytes"] == LIMIT_BYTES + 1
