"""What is said for each situation, and how the record is read."""

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pytest
from judge_log import T0, Log
from why_logs import case_of

from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.outcomes import Refused
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named
from fettle_health_monitor.domain.why.changes import as_it_was
from fettle_health_monitor.domain.why.picture import Picture, Timer, Waits, picture
from fettle_health_monitor.domain.why.record import (
    Recorded,
    called_otherwise,
    earlier_verdicts,
    ended,
    ended_by_monitor,
    has_ticket,
    present_trouble,
    shared_by,
    with_own_evidence,
)
from fettle_health_monitor.domain.why.sentences import Situation, because
from fettle_health_monitor.domain.why.tickets import Circumstances, tell

WELL = Picture(
    state="healthy",
    condition=None,
    since=T0,
    last_heard=T0,
    reported="ok",
    registered=False,
    silent=False,
    timer=Timer("silence", T0 + 60_000),
    numbers={"open_debounce_s": 30},
)
NOTHING = Situation(has_ticket=False, judged_again=True, picture=WELL, trouble=(), enabled=True)
NOW = instant(T0)
LOST = "heartbeats_lost"


def recorded(outcome: str, cause: Cause = Cause.FIRING, at: int = T0, **more: Any) -> Recorded:
    fields: dict[str, Any] = {
        "verdict": UUID(int=at),
        "condition": "device_offline",
        "reason": f"because of {outcome}",
        "policy_version": 1,
        "evidence": {"last_heard": NOW, "deadline": NOW, "status": "ok", "timeout_s": 60.0, "offset": 7},
        **more,
    }
    return Recorded(cause=cause, at=at, outcome=outcome, **fields)


def failing(**more: Any) -> Picture:
    return replace(WELL, state="firing", condition="device_offline", timer=None, **more)


@pytest.mark.rule("HM-185", "HM-186")
@pytest.mark.parametrize(
    ("now", "said", "suppressed"),
    [
        (NOTHING, f"It was healthy: last heard at {NOW}; its silence is too long at", None),
        (replace(NOTHING, trouble=(recorded("silenced"),)), f"It was healthy: last heard at {NOW}", None),
        (
            replace(NOTHING, unknown_since=T0),
            f"Heartbeats of the whole org did not arrive after {NOW}",
            "heartbeats_lost",
        ),
        (replace(NOTHING, picture=replace(WELL, last_heard=None, registered=True)), "registered, and has never", None),
        (replace(NOTHING, picture=None), "Nothing was ever heard of it and it is not registered", "never_heard"),
        (replace(NOTHING, picture=None, unwatched="list_only"), "discover was list_only", "list_only"),
        (replace(NOTHING, picture=None, unwatched="subject_cap"), "as many subjects as its policy", "subject_cap"),
        (replace(NOTHING, picture=failing(), unwatched="subject_cap"), "as many subjects as its", "subject_cap"),
        (replace(NOTHING, picture=None, refused={"not_json": 2}), "(2 as not_json)", "refused_heartbeats"),
        (replace(NOTHING, picture=None, removed_at=T0), f"It was removed at {NOW}, and has neither", "removed"),
        (replace(NOTHING, picture=None, removed_at=T0, refused={"not_json": 2}), "(2 as not_json)", "removed"),
        (replace(NOTHING, picture=None, ignored={"switched_off": 1}), "monitor was switched off and", "not_enabled"),
        (replace(NOTHING, picture=None, ignored={"unknown_org": 1}), "the org had no policy and its", "not_enabled"),
        (replace(NOTHING, picture=None, enabled=False), "switched off, and nothing is known", "not_enabled"),
        (replace(NOTHING, enabled=False), "every state stays as it was", "not_enabled"),
        (replace(NOTHING, enabled=None), "No policy of the org was in force", "not_enabled"),
        (replace(NOTHING, org_deleted=None), "not known to the health monitor", "org_unknown"),
        (replace(NOTHING, org_deleted=True), "has been deleted", "org_deleted"),
        (replace(NOTHING, judged_again=False, picture=None), "nothing had called for a ticket by then.", None),
        (
            replace(NOTHING, judged_again=False, picture=None, trouble=(recorded("silenced"),)),
            f"What was heard then is not kept any more. It called for a ticket at {NOW}, and none was opened",
            "silenced",
        ),
        (
            replace(NOTHING, picture=failing(), trouble=(recorded("joined"),), shared_until=T0),
            f"The ticket that it shared with others ended at {NOW}: it is judged afresh since,",
            "judged_afresh",
        ),
        (
            replace(NOTHING, picture=failing(), trouble=(recorded("silenced"),), shared_until=T0),
            "and none was opened: because of silenced.",
            "silenced",
        ),
        (
            replace(NOTHING, picture=failing(), trouble=(recorded("silenced"),)),
            f"It called for a ticket at {NOW}, and none was opened: because of silenced.",
            "silenced",
        ),
        (replace(NOTHING, picture=failing(), trouble=(recorded("unpublished"),)), "none was opened", "unpublished"),
        (
            replace(NOTHING, picture=failing(), trouble=(recorded("refused"),)),
            "and none was opened: because of refused.",
            "open_refused",
        ),
        (
            replace(NOTHING, picture=failing(), trouble=(recorded("refused"),), asked_again_at=T0),
            f"While it lasts, that is asked for again at {NOW}.",
            "open_refused",
        ),
        (replace(NOTHING, picture=failing(), waits=T0), "waits for the clocks of all shards", "not_decided_yet"),
        (
            replace(NOTHING, picture=failing(), waits=T0, waits_for="integration/hue-1"),
            "until the fate of integration/hue-1 is decided",
            "not_decided_yet",
        ),
        (replace(NOTHING, picture=failing()), "It was firing", None),
        (
            replace(
                NOTHING,
                picture=replace(WELL, state="pending_open", silent=True, timer=Timer("open_debounce", T0)),
            ),
            f"It was silent for too long since {NOW} (last heard at {NOW}), but not yet for the open debounce of 30 s, "
            f"which ends at {NOW}.",
            None,
        ),
        (
            replace(NOTHING, has_ticket=True, ticket=42, trouble=(recorded("opened"),)),
            f"its silence was too long at {NOW}, after 60 s. Ticket #42 was asked for at {NOW}: because of opened.",
            None,
        ),
        (
            replace(NOTHING, has_ticket=True, ticket=42, resolved_by_somebody=True, trouble=(recorded("opened"),)),
            "Somebody has resolved it since.",
            None,
        ),
        (
            replace(NOTHING, has_ticket=True, trouble=(recorded("joined", reason="joined ticket #7"),)),
            f"At {NOW} it joined ticket #7, which it shares with others.",
            "joined",
        ),
        (
            replace(NOTHING, has_ticket=True, trouble=(recorded("merged", reason="merged into ticket #7"),)),
            f"At {NOW} its own ticket was merged into ticket #7, which it shares with others.",
            "joined",
        ),
        (
            replace(
                NOTHING,
                has_ticket=True,
                trouble=(recorded("opened", evidence={"last_heard": NOW, "status": "offline", "deadline": None}),),
            ),
            f"Its heartbeat at {NOW} said offline. A ticket was asked for",
            None,
        ),
    ],
)
def test_each_situation_is_said(now: Situation, said: str, suppressed: str | None) -> None:
    text, word = because(now)
    assert said in text
    assert word == suppressed


@pytest.mark.rule("HM-185")
@pytest.mark.parametrize("code", ["org_unknown", "org_deleted", "not_enabled"])
def test_what_was_refused_by_the_monitor_itself_is_said_by_its_code(
    code: Literal["org_unknown", "org_deleted", "not_enabled"],
) -> None:
    refused = recorded(Refused.name, reason=Refused(code).reason)
    text, word = because(replace(NOTHING, picture=failing(), trouble=(refused,)))
    assert text == f"It called for a ticket at {NOW}, and none was opened: {Refused(code).reason}."
    assert word == code


@pytest.mark.rule("HM-185")
def test_whether_there_is_a_ticket_follows_from_the_record() -> None:
    opened, ended = recorded("opened"), recorded("resolved", Cause.RECOVERED, T0 + 1)
    assert not has_ticket([])
    assert has_ticket([opened])
    assert not has_ticket([opened, ended])
    assert has_ticket([opened, ended, recorded("joined", at=T0 + 2)])
    assert not has_ticket([recorded("silenced")])
    assert has_ticket([recorded("silenced"), recorded("opened", Cause.SILENCE_ENDED)])
    late = [opened, recorded("silenced", Cause.STILL_UNHEALTHY, T0 + 1)]
    assert not has_ticket(late), "somebody has resolved it"
    assert has_ticket([*late, recorded("opened", Cause.SILENCE_ENDED, T0 + 2)])
    many = recorded("opened", condition="multiple_devices_offline")
    assert not has_ticket([many]), "that is about others"
    assert has_ticket([opened, recorded("resolved", Cause.FEW_LEFT, condition="multiple_devices_offline")])
    assert present_trouble([opened, ended, recorded("silenced", at=T0 + 3)]) == [recorded("silenced", at=T0 + 3)]


@pytest.mark.rule("HM-310")
def test_a_shared_ticket_has_ended_by_what_is_on_record_of_its_integration() -> None:
    many, own = "multiple_devices_offline", "integration_unreachable"
    few = recorded("resolved", Cause.FEW_LEFT, T0 + 5, condition=many)
    recovered = recorded("resolved", Cause.RECOVERED, T0 + 6, condition="")
    assert ended([few, recovered], many, T0) == T0 + 5
    assert ended([few, recovered], own, T0) == T0 + 6
    assert ended([few, recovered], many, T0 + 6) is None
    assert ended([replace(few, outcome="called_off")], many, T0) is None
    assert ended([recorded("resolved", Cause.FORGOTTEN, T0 + 7, condition="")], own, T0) == T0 + 7
    for condition, other in ((many, own), (own, many)):
        early = recorded("called_off", Cause.STILL_UNHEALTHY, T0 + 8, condition=condition)
        assert ended([early], condition, T0) == T0 + 8
        assert ended([early], other, T0) is None
        assert ended([replace(early, outcome="reopened")], condition, T0) is None
    merged = recorded("merged", Cause.MERGED, condition=many, evidence={"shares": f"integration/hue-1:{own}"})
    assert ended([merged, recovered], many, T0) == T0 + 6


@pytest.mark.rule("HM-185")
def test_who_has_ended_a_ticket_follows_from_what_was_decided_behind() -> None:
    """What ends a later one says nothing of it."""
    many, own, other = "multiple_devices_offline", "integration_unreachable", "integration_credentials_invalid"
    recovered = recorded("resolved", Cause.RECOVERED, condition="")
    few = recorded("resolved", Cause.FEW_LEFT, condition=many)
    again = recorded("reopened", Cause.STILL_UNHEALTHY, condition=own)
    stays = recorded("called_off", Cause.STILL_UNHEALTHY, condition=many)
    assert not ended_by_monitor([], own)
    assert ended_by_monitor([again, few, recovered], own)
    assert ended_by_monitor([recovered, few], many)
    assert ended_by_monitor([recorded("merged", Cause.MERGED, condition=many)], many)
    assert not ended_by_monitor([recorded("merged", Cause.MERGED, condition=many)], own)
    assert ended_by_monitor([recorded("opened", condition=other)], own)
    assert not ended_by_monitor([recorded("opened", condition=own)], own)
    assert not ended_by_monitor([recorded("opened", condition=own)], many)
    assert not ended_by_monitor([replace(recovered, outcome="nothing_to_resolve"), recovered], own)
    assert not ended_by_monitor([stays, few], many)


@pytest.mark.rule("HM-310")
def test_whose_ticket_is_shared_follows_from_its_own_record() -> None:
    joined = recorded("joined", evidence={"shares": "integration/hue-1:multiple_devices_offline"})
    shared = ("integration/hue-1", "multiple_devices_offline", T0)
    assert shared_by([recorded("opened"), joined]) == shared
    assert shared_by([recorded("opened"), replace(joined, outcome="merged", cause=Cause.MERGED)]) == shared
    assert shared_by([joined, recorded("unpublished", at=T0 + 1)]) == shared
    assert shared_by([joined, recorded("opened", Cause.LEFT_OVER, T0 + 1)]) is None
    assert shared_by([joined, recorded("silenced", Cause.LEFT_OVER, T0 + 1)]) is None
    assert shared_by([joined, recorded("nothing_to_resolve", Cause.RECOVERED, T0 + 1)]) is None
    assert shared_by([]) is None


@pytest.mark.rule("HM-266")
def test_where_it_is_not_on_record_nothing_is_said_of_when_it_was_heard() -> None:
    told = recorded("reopened", evidence={"partition": 0})
    said, _ = because(replace(NOTHING, has_ticket=True, ticket=42, trouble=(told,)))
    assert said == f"Ticket #42 was asked for at {NOW}: because of reopened."
    never = recorded("opened", evidence={"last_heard": None, "deadline": NOW, "timeout_s": 60.0})
    said, _ = because(replace(NOTHING, has_ticket=True, ticket=42, trouble=(never,)))
    assert said.startswith("It has never reported; its silence was too long at")


@pytest.mark.rule("HM-186", "HM-266")
def test_of_who_may_have_been_heard_before_its_shard_began_anew_it_is_not_said_that_it_never_was() -> None:
    """Who was judged before is told to it as if registered."""
    anew = replace(NOTHING, begun_anew=True)
    for deadline, said in ((NOW, "It has not reported since its shard began; its silence"), (None, "began. ")):
        never = recorded("opened", evidence={"last_heard": None, "deadline": deadline, "timeout_s": 60.0})
        text, _ = because(replace(anew, has_ticket=True, ticket=42, trouble=(never,)))
        assert said in text
        assert "never" not in text
    for registered in (True, False):
        unheard = replace(WELL, last_heard=None, reported=None, registered=registered)
        text, _ = because(replace(anew, picture=unheard))
        assert text.startswith("It was healthy: not heard since its shard began: it counts from there, or from its")
    assert because(replace(anew, picture=WELL)) == because(NOTHING)


@pytest.mark.rule("HM-266")
def test_a_merge_says_what_was_seen_of_the_subject_itself() -> None:
    of_another = {"last_heard": "then", "deadline": "then", "status": "ok", "offset": 9, "shares": "integration/hue-1"}
    opened, again = recorded("opened"), recorded("reopened", Cause.STILL_UNHEALTHY, T0 + 5, evidence={"status": "ok"})
    merged = recorded("merged", Cause.MERGED, T0 + 9, evidence=of_another)
    shares = {"shares": "integration/hue-1"}
    assert with_own_evidence([opened, merged])[1].evidence == {**opened.evidence, **shares}
    assert with_own_evidence([opened, again, merged])[2].evidence == {"status": "ok", **shares}
    assert with_own_evidence([opened, merged, replace(merged, at=T0 + 10)])[2].evidence == {**opened.evidence, **shares}
    assert with_own_evidence([merged])[0].evidence == shares
    assert with_own_evidence([opened, again]) == [opened, again]


@pytest.mark.rule("HM-181", "HM-185", "HM-310")
@pytest.mark.parametrize("cause", [Cause.STILL_UNHEALTHY, Cause.LEFT_OVER, Cause.JUDGED_AFRESH])
@pytest.mark.parametrize(("published", "there"), [(True, True), (False, False)])
def test_what_asks_again_decides_whether_there_is_a_ticket(published: bool, there: bool, cause: Cause) -> None:
    """Somebody has resolved the one that there was, or it was shared and has ended."""
    again = recorded("unpublished", cause, T0 + 5, policy_version=2)
    known = Circumstances(
        from_at=T0 + 9,
        switches={1: Switches(1, True, True), 2: Switches(2, True, published)},
        named=Named(),
        earlier=earlier_verdicts([recorded("opened"), again], "acme", "device/t17", at=T0 + 9, offset=7),
    )
    assert tell([], known, T0 + 9).ticket == there
    assert has_ticket([recorded("opened"), again]) is False


@pytest.mark.rule("HM-181")
def test_what_stands_before_the_log_and_what_comes_from_elsewhere_is_told_apart() -> None:
    before, behind = recorded("opened"), recorded("opened", evidence={"offset": 8})
    reopened = recorded("reopened", Cause.STILL_UNHEALTHY, T0 + 5)
    record = [before, behind, reopened]
    assert [one.id for one in earlier_verdicts(record, "acme", "device/t17", at=T0, offset=7)] == [before.verdict]
    assert [one.cause for one in called_otherwise(record, "acme", "device/t17", after=T0)] == [Cause.STILL_UNHEALTHY]


@pytest.mark.rule("HM-185")
def test_the_timer_that_runs_and_the_one_that_ran_out_are_shown() -> None:
    def seen(seconds: float) -> Picture | None:
        log = Log().policy(timeout_s=60, open_debounce_s=30, resolve_debounce_s=20).beat().pulsed(seconds)
        case = case_of(log if seconds < 100 else log.beat().pulsed(110))
        return picture(as_it_was(case)[0], case.log)

    healthy, pending, firing, resolving = seen(10), seen(70), seen(95), seen(100)
    assert healthy is not None
    assert healthy.timer == Timer("silence", T0 + 60_000)
    assert pending is not None
    assert (pending.state, pending.timer, pending.silent) == ("pending_open", Timer("open_debounce", T0 + 90_000), True)
    assert firing is not None
    assert (firing.state, firing.timer) == ("firing", Timer("silence", T0 + 60_000, ran_out=True))
    assert resolving is not None
    assert (resolving.state, resolving.timer) == ("pending_resolve", Timer("resolve_debounce", T0 + 120_000))


@pytest.mark.rule("HM-185")
@pytest.mark.parametrize(("resolve_debounce_s", "runs"), [(60, ("silence", 60)), (59, ("resolve_debounce", 59))])
def test_of_two_timers_the_one_that_runs_out_first_is_shown(resolve_debounce_s: int, runs: tuple[Waits, int]) -> None:
    log = Log().policy(timeout_s=60, open_debounce_s=30, resolve_debounce_s=resolve_debounce_s).beat().pulsed(100)
    case = case_of(log.beat().pulsed(110))
    resolving = picture(as_it_was(case)[0], case.log)
    assert resolving is not None
    what, seconds = runs
    assert (resolving.state, resolving.timer) == ("pending_resolve", Timer(what, T0 + (100 + seconds) * 1000))
