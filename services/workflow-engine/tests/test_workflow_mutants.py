"""The tests of runs notice when one of their rules is broken: each is, in a copy, one at a time."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.mutation import Mutant, check_noticed, check_stands_once, check_unbroken

import fettle_workflow_engine

PACKAGE = Path(fettle_workflow_engine.__file__).parent
DOMAIN = PACKAGE / "domain"
TESTS = Path(__file__).parent
SUITE = ("runs", "pauses", "run_properties")

MUTANTS = (
    # advance.py: what is due, what is taken, how a run ends
    Mutant("advance", "if run.state is not RunState.RUNNING or (", "if ("),
    Mutant("advance", "if waiting and result:", "if waiting and result and not waiting.error:"),
    Mutant("advance", "if _fatal_failure(definition, run):\n            break", "if False:\n            break"),
    Mutant("advance", "if not any(_taken(run, after) for after in node.after):",
           "if not all(_taken(run, after) for after in node.after):"),
    Mutant("advance", "and all(after.node in run.steps for after in node.after)",
           "and any(after.node in run.steps for after in node.after)"),
    Mutant("advance", "StepState.FAILED if after.way is Way.ERROR else StepState.DONE", "StepState.DONE"),
    Mutant("advance", "is (after.way is Way.TRUE)", "is True"),
    Mutant("advance", "step.output is not None and step.output", "step.output is None or step.output"),
    Mutant("advance", "        again = None\n", ""),
    Mutant("advance", "run = replace(run, timeout_at=run.timeout_at + (step.wake_at - now))", "pass"),
    Mutant("advance", "timeout_at=run.timeout_at - (waiting.wake_at - now)", "timeout_at=run.timeout_at"),
    Mutant("advance", "if waiting.wake_at is None or waiting.wake_at <= now:", "if waiting.wake_at is None:"),
    Mutant("advance", "        if node.name not in run.steps:\n", "        if False:\n"),
    Mutant("advance", "RunState.FAILED if failure else RunState.DONE", "RunState.DONE"),
    Mutant("advance", "if (beginning := beginning_of(outcome)) is not None:", "if (beginning := None) is not None:"),
    Mutant("advance", 'KiB.", unsure=True)', 'KiB.")'),
    Mutant("advance", "output=outcome, error=None, ended_at=now", "output=outcome, ended_at=now"),
    Mutant("advance", "        if step.error.code == STOPPED:\n            return step.error\n", ""),
    Mutant("advance", "        if off:\n", "        if False:\n"),
    Mutant("advance", " or step.error.code == SWITCHED_OFF", ""),
    # starting.py: fields, ids, effects
    Mutant("starting", "tried = before.attempts if before else 0", "tried = 0"),
    Mutant("starting", "if (beginning := beginning_of(given)) is not None:", "if (beginning := None) is not None:"),
    Mutant("starting", "attempts=step.attempts - 1", "attempts=step.attempts"),
    Mutant("starting", "(before.error.unsure or before.error.code == SWITCHED_OFF)", "False"),
    Mutant("starting", 'return uuid5(before.command_id, "again")', "return before.command_id"),
    Mutant("starting", "if step.state is StepState.DONE and step.output is not None:", "if False:"),
    Mutant("starting", "elif step.state is StepState.FAILED and step.error is not None:", "elif False:"),
    Mutant("starting", "wake_at=step.started_at + length, watches=watch", "wake_at=step.started_at + length"),
    # endings.py: timeouts, people
    Mutant("endings", "    if run.state is not RunState.RUNNING:\n        return run\n    timeout_s",
           "    timeout_s"),
    Mutant("endings", "    if run.state is not RunState.RUNNING:\n        return run\n    run = _cut_short",
           "    run = _cut_short"),
    Mutant("endings", "return replace(run, state=RunState.CANCELLED)", "return run"),
    Mutant("endings", "error = replace(failure, unsure=True)", "error = failure"),
    Mutant("endings", "[: list(run.steps).index(failed.node)]", ""),
    Mutant("endings", "timeout_at=deadline, steps=before", "steps=before"),
    Mutant("endings", "return go_on(definition, run, now, languages, failed)",
           "return go_on(definition, run, now, languages)"),
    Mutant("endings", "if run.state is not RunState.FAILED:", "if run.state is RunState.RUNNING:"),
    Mutant("endings", "in reversed(list(run.steps.values())) if", "in list(run.steps.values()) if"),
    # waits.py: what ends a wait
    Mutant("waits", "since = seen.version if watch.since is None else watch.since", "since = watch.since or 0"),
    Mutant("waits", "if newest is not None and seen.changes[newest] > since else None",
           "if newest is not None and seen.changes[newest] >= since else None"),
    Mutant("waits", "if seen.changes.get(watch.change, 0) > since:", "if seen.version > since:"),
    Mutant("waits", "and seen.version >= since and seen.state", "and seen.state"),
    Mutant("waits", "if reached is not None and", "if reached is None and"),
    Mutant("waits", "max(versions, default=None)", "min(versions, default=None)"),
    Mutant("waits", "if not 1 <= seconds <= LONGEST_WAIT_S:", "if not 1 <= seconds:"),
    Mutant("waits", "key=lambda one: one.version", "key=lambda one: -one.version"),
    # calls.py: when a call is made again
    Mutant("calls", "if call.attempt > RETRIES:", "if call.attempt >= RETRIES:"),
    Mutant("calls", "if call.attempt <= RETRIES + 1:", "if call.attempt <= RETRIES:"),
    Mutant("calls", "replace(failure, unsure=True)", "failure"),
    Mutant("calls", "_GROWTH ** (attempt - 1)", "_GROWTH ** attempt"),
    Mutant("calls", "(1 - jitter / 4)", "1"),
    Mutant("calls", "min(max(pause_s, 0.0), LONGEST_PAUSE_S)", "max(pause_s, 0.0)"),
    Mutant("calls", "min(max(pause_s, 0.0), LONGEST_PAUSE_S)", "min(pause_s, LONGEST_PAUSE_S)"),
    # durations.py, sizes.py
    Mutant("durations", '"m": 60', '"m": 1'),
    Mutant("durations", "int(found[1]) * _SECONDS[found[2]]", "int(found[1])"),
    Mutant("sizes", "if size > limit:", "if size >= limit:"),
    Mutant("sizes", "len(written.encode(errors=\"surrogatepass\"))", "len(written)"),
)  # fmt: skip


ENGINE_SUITE = ("waits", "calls", "run_acts", "lookout", "bugs")
ENGINE_MUTANTS = (
    # progress.py, ticket_sightings.py: a run that falls asleep for a ticket
    Mutant("progress", "        if by is not None and step.command_id is not None:", "        if False:"),
    Mutant("progress", "if watch.since is None:", "if False:"),
    Mutant("adapters/ticket_sightings", "    ON CONFLICT (org, ticket) DO UPDATE SET day = excluded.day\n",
           "    ON CONFLICT (org, ticket) DO NOTHING\n"),
    Mutant("adapters/ticket_sightings", "changes = known.changes || excluded.changes", "changes = excluded.changes"),
    Mutant("adapters/ticket_sightings", "WHERE excluded.version > known.version", "WHERE true"),
    Mutant("adapters/ticket_sightings", "WHERE saved.org = new.org AND saved.watches", "WHERE saved.watches"),
    # run_rows.py: which runs
    Mutant("adapters/run_rows", "ON changed.ticket = step.ticket AND changed.org = waits.org",
           "ON changed.ticket = step.ticket"),
    Mutant("adapters/run_rows", "WHERE state = 'waiting' AND wake_at <= :now ORDER BY wake_at",
           "WHERE wake_at <= :now ORDER BY wake_at"),
    Mutant("adapters/run_rows", "    if gone:\n", "    if False:\n"),
    Mutant("adapters/run_rows", "attempts = excluded.attempts,", ""),
    # call_rows.py, outside.py: leases and shares
    Mutant("adapters/call_rows", "attempts = attempts + 1, due_at = :until", "attempts = attempts + 1"),
    Mutant("adapters/call_rows", "AND call.attempts = new.attempts", ""),
    Mutant("adapters/call_rows", "greatest(:of_one_org - coalesce(busy.calls, 0), 0)", "greatest(:of_one_org, 0)"),
    Mutant("adapters/call_rows", "ORDER BY found.place, found.due_at", "ORDER BY found.due_at"),
    Mutant("adapters/call_rows", "WHERE leased_by = :by", "WHERE false AND leased_by = :by"),
    Mutant("entrypoints/outside", "await self._lookout.due(Kind.CALLS)", "await self._lookout.due(Kind.RUNS)"),
    Mutant("adapters/call_rows", "AND NOT policy.enabled", "AND policy.enabled"),
    Mutant("adapters/call_rows", "AND NOT taken.off", ""),
    Mutant("domain/calls", "unsure=call.attempt > 1", "unsure=False"),
    Mutant("domain/starting", " or before.error.code == SWITCHED_OFF", ""),
    # due_rows.py, lookout.py: what is due when
    Mutant("adapters/due_rows", "moment <= now + SLOWEST + LOOK_EVERY", "moment <= now"),
    Mutant("adapters/due_rows", "SELECT least(", "SELECT greatest("),
    Mutant("adapters/due_rows", "THEN to_timestamp(0)", "THEN NULL"),
    Mutant("entrypoints/lookout", "moment - waiter.ahead", "moment"),
    Mutant("entrypoints/lookout", "self._ring(Kind.CALLS))", "None)"),
    Mutant("entrypoints/lookout", "if waiter.at is not None and waiter.at <= now:", "if False:"),
    # handler.py, interventions.py
    Mutant("handler", "languages=self._languages, off=off)", "languages=self._languages)"),
    Mutant("handler", "off=run.org in off", "off=bool(off)"),
    Mutant("handler", "await call_rows.drop(work.connection, [step.", "_ = ([step."),
    Mutant("handler", "step.wake_at is not None and step.wake_at <= now", "step.wake_at is not None"),
    Mutant("handler", "            if definition is None:\n                return Advance(give_up(run, now=now))\n",
           "            if definition is None:\n                return Advance(run)\n"),
    Mutant("interventions", "version or newest", "newest"),
    Mutant("interventions", "for one in found if one.fires]", "for one in found]"),
    # library.py, schedule_rows.py: an org that is on again
    Mutant("library", "await schedule_rows.put_off(connection, org, now)", "pass"),
    Mutant("adapters/schedule_rows", "        if isinstance(next_at, datetime):", "        if True:"),
)  # fmt: skip


def test_the_interpreter_is_broken_in_enough_ways() -> None:
    assert len(set(MUTANTS)) >= 25


@pytest.mark.parametrize("mutant", MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(DOMAIN, mutant)


@pytest.mark.parametrize("mutant", ENGINE_MUTANTS, ids=range(len(ENGINE_MUTANTS)))
def test_every_mutant_of_the_engine_breaks_something_that_is_there(mutant: Mutant) -> None:
    check_stands_once(PACKAGE, mutant)


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", [SUITE, ENGINE_SUITE], ids=["runs", "engine"])
def test_nothing_is_noticed_where_nothing_is_broken(suite: tuple[str, ...], tmp_path: Path) -> None:
    check_unbroken(PACKAGE, _tests(suite), tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=range(len(MUTANTS)))
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    check_noticed(PACKAGE, DOMAIN, mutant, _tests(SUITE), tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", ENGINE_MUTANTS, ids=range(len(ENGINE_MUTANTS)))
def test_a_broken_rule_of_the_engine_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    check_noticed(PACKAGE, PACKAGE, mutant, _tests(ENGINE_SUITE), tmp_path)


def _tests(parts: Iterable[str]) -> list[Path]:
    return [TESTS / f"test_workflow_{part}.py" for part in parts]
