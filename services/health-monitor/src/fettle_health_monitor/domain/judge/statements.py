"""What control records change: policies and registrations (a removal: `shard.py`). For heartbeats: `profiles.py`."""

from fettle_health_monitor.domain.control import Heard, Policy, Register
from fettle_health_monitor.domain.judge.heartbeats import is_behind_none
from fettle_health_monitor.domain.judge.judge import Judge
from fettle_health_monitor.domain.judge.newcomers import Newcomers
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED, OrgPolicy, Profile, Timing
from fettle_health_monitor.domain.judge.profiles import assign
from fettle_health_monitor.domain.judge.states import Reading, Reason
from fettle_health_monitor.domain.judge.subjects import (
    FROM_REGISTRY_INTEGRATION,
    FROM_REGISTRY_INTERVAL,
    FROM_REGISTRY_MODEL,
    HEARD_UNTOLD,
    REGISTERED,
    UNHEARD,
)

_FROM_REGISTRY = FROM_REGISTRY_INTEGRATION | FROM_REGISTRY_MODEL | FROM_REGISTRY_INTERVAL


def put_in_force(judge: Judge, newcomers: Newcomers, statement: Policy) -> None:
    """From this moment the org is judged by this policy. What runs is timed anew from the instants at which it began;
    what is then overdue happens now (the caller runs the timers). Switched off: every state stays as it is, and the
    reading that was judged last with it. Switched on again: silence counts from now."""
    before = judge.policies.get(statement.org)
    policy = judge.policies[statement.org] = OrgPolicy(statement)
    newcomers.forget_listed(statement.org)
    switched_on = before is None or not before.statement.enabled
    not_silent_yet = []
    for row, timing in _retimed(judge, policy):
        silent_at = judge.silent_at(row)
        judge.retime(row, timing)
        if timing == NOT_JUDGED:
            judge.freeze(row)
        elif switched_on:
            judge.restart(row)
        elif _ends_silence(judge, row, silent_at):
            not_silent_yet.append(row)
        judge.timers.queue(row, judge.due_at(row))
    for row in sorted(not_silent_yet, key=judge.subjects.keys.__getitem__):
        judge.end_silence(row, Reason.POLICY_CHANGED)
    judge.scribe.in_force(statement, judge.clock.at(judge.clock.now))


def _ends_silence(judge: Judge, row: int, silent_at: int) -> bool:
    """Whether the subject is silent, was so for too long by its timing before (from `silent_at` on), and is not by the
    one that it has now."""
    return judge.subjects.reading[row] == Reading.SILENT and silent_at <= judge.clock.now < judge.silent_at(row)


def _retimed(judge: Judge, policy: OrgPolicy) -> list[tuple[int, Timing]]:
    """The org's rows with the timing that holds for each from now on."""
    subjects = judge.subjects
    org = policy.statement.org
    ours = {number: profile for number, profile in enumerate(subjects.profiles.values) if profile.org == org}
    same = {number: policy.timing(profile, "") for number, profile in ours.items()}
    rows = [row for row in subjects if subjects.profile[row] in ours]
    if not policy.names_subjects:
        return [(row, same[subjects.profile[row]]) for row in rows]
    return [(row, policy.timing(ours[subjects.profile[row]], judge.subject_of(row))) for row in rows]


def register(judge: Judge, newcomers: Newcomers, policy: OrgPolicy, key: str, said: Register) -> None:
    """The registry has the subject: what it says wins over heartbeats. What runs is timed anew, and a silence that is
    not too long any more ends, as with a new policy. A subject never heard of counts from now. An integration is behind
    none, also by the registry."""
    subjects = judge.subjects
    org = policy.statement.org
    row = subjects.rows.get(key.encode())
    newcomer = row is None
    if row is None:
        blank = Profile(org, None, None, None)
        row = subjects.add(key.encode(), blank, NOT_JUDGED, judge.clock.now, judge.clock.at(judge.clock.now))
        newcomers.watched[org] += 1
        newcomers.unlist(org, key)
    known = subjects.profiles.values[subjects.profile[row]]
    if said.heard is not None:
        known = _left_to_heartbeats(said.heard, known, _FROM_REGISTRY if newcomer else subjects.registry[row])
    subjects.registry[row] = (
        REGISTERED
        | (UNHEARD if newcomer else subjects.registry[row] & (UNHEARD | HEARD_UNTOLD))
        | (FROM_REGISTRY_INTEGRATION if said.integration else 0)
        | (FROM_REGISTRY_MODEL if said.model else 0)
        | (FROM_REGISTRY_INTERVAL if said.interval_s else 0)
    )
    subjects.look_again(row)
    profile = Profile(
        org,
        None if is_behind_none(key.encode()) else said.integration or known.integration,
        said.model or known.model,
        said.interval_s or known.interval_s,
    )
    silent_at = judge.silent_at(row)
    assign(judge, policy, row, profile)
    if _ends_silence(judge, row, silent_at):
        judge.end_silence(row, Reason.REGISTRATION_CHANGED)
    if newcomer:
        judge.appear(row, Reading.OK, Reason.REGISTERED)


def _left_to_heartbeats(heard: Heard, known: Profile, registry: int) -> Profile:
    """What is known of a subject without the fields that the registry gave."""
    return Profile(
        known.org,
        heard.integration if registry & FROM_REGISTRY_INTEGRATION else known.integration,
        heard.model if registry & FROM_REGISTRY_MODEL else known.model,
        heard.interval_s if registry & FROM_REGISTRY_INTERVAL else known.interval_s,
    )
