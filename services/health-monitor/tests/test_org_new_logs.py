"""Where the logs of shards begin anew in the middle of everything, an org is shown and served the same however its
judgements come; and when everybody has been well, or dead, for long, tickets are about just those who are dead."""

from collections.abc import Mapping

import pytest
from hypothesis import given, note, settings
from org_new_logs import NewLogs, new_logs
from org_times_run import Seen, run
from org_words import answered
from test_org_oracle import LATE, correlator, judged, moves, outcomes
from test_org_shared import entries
from test_org_times import AGAIN, ONE_BY_ONE, RULES, STEPS, behind


def until(history: NewLogs) -> int:
    return min(log[-1].timestamp for log in history.logs)


def alike(history: NewLogs, one: Seen, other: Seen) -> None:
    end, where = until(history), behind(history)
    idle = [*one.ended, *other.ended]
    assert moves(one.moved) == moves(other.moved)
    assert judged(one.moved) == judged(other.moved)
    assert one.outages == other.outages
    assert entries(one.desk.entries, end) == entries(other.desk.entries, end)
    ended = [answered(seen.ended, idle) for seen in (one, other)]
    assert outcomes(ended[0], where, idle) == outcomes(ended[1], where, idle)
    assert (one.waiting, one.lists) == (other.waiting, other.lists)


def last(seen: Seen) -> dict[str, str | None]:
    """How each is shown at the end."""
    return {move.subject: move.to_state for move in seen.moved}


def settled(history: NewLogs, seen: Seen) -> None:
    """Who is dead at the end has a ticket, by itself or with others, unless somebody has silenced it; nobody else."""
    names, end = history.subjects, until(history)
    watched = {who for who, state in last(seen).items() if state is not None}
    dead = {names[number] for number, _ in history.phases[-1].but} & watched
    silenced = {quiet.subject for quiet in history.quiet if quiet.start <= end and quiet.end > end - 12_000}
    about = {key.rsplit(":", 1)[0] for key in seen.desk.open if not key.endswith("multiple_devices_offline")}
    listed = {
        name
        for key, held in seen.desk.tickets.items()
        if held.open
        for name, recovered in held.members.items()
        if not recovered
    }
    assert about <= dead
    assert listed <= dead
    assert dead - silenced <= about | listed
    assert seen.waiting == 0
    assert all(resumed is not None for *_, resumed in seen.outages)


def all_alike(environment: Mapping[str, str], examples: int, *, always_new: bool = False) -> None:
    with correlator(environment) as (runner, world):

        @settings(max_examples=examples, deadline=None, print_blob=True, derandomize=not always_new)
        @given(new_logs(), STEPS, AGAIN, LATE)
        def hold(history: NewLogs, steps: list[tuple[int, int]], again: frozenset[int], late: frozenset[int]) -> None:
            note(str(steps))
            live = runner.run(run(world, history, ONE_BY_ONE, frozenset(), frozenset()))
            settled(history, live)
            alike(history, live, runner.run(run(world, history, steps, again, late)))

        hold()


@pytest.mark.rule("HM-43", "HM-82", "HM-294", "HM-295", "HM-296", "HM-331", "HM-332", *RULES)
def test_an_org_whose_logs_begin_anew_is_served_alike_and_settles(environment: Mapping[str, str]) -> None:
    all_alike(environment, 8)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("HM-43", "HM-82", "HM-294", "HM-295", "HM-296", "HM-331", "HM-332", *RULES)
def test_many_orgs_whose_logs_begin_anew_are_served_alike_and_settle(environment: Mapping[str, str]) -> None:
    all_alike(environment, 150, always_new=True)
