"""What heartbeats say about their subjects, where the registry does not say it, and what either changes of timings."""

from fettle_health_monitor.domain.judge.heartbeats import Heartbeat
from fettle_health_monitor.domain.judge.judge import Judge
from fettle_health_monitor.domain.judge.policies import OrgPolicy, Profile
from fettle_health_monitor.domain.judge.subjects import (
    FROM_REGISTRY_INTEGRATION,
    FROM_REGISTRY_INTERVAL,
    FROM_REGISTRY_MODEL,
    checksums,
)


def learn(judge: Judge, row: int, said: Heartbeat) -> bool:
    """Take in what a heartbeat says about the subject itself, where the registry does not say it. Returns whether any
    of it is new, also where the registry's word counts: that may be taken back."""
    subjects = judge.subjects
    given = subjects.registry[row]
    known = subjects.profiles.values[subjects.profile[row]]
    integration, model, interval_s = said.integration, said.model, said.interval_s
    profile = known
    if integration and integration != known.integration and not given & FROM_REGISTRY_INTEGRATION:
        profile = profile._replace(integration=integration)
    if model and model != known.model and not given & FROM_REGISTRY_MODEL:
        profile = profile._replace(model=model)
    if interval_s and interval_s != known.interval_s and not given & FROM_REGISTRY_INTERVAL:
        profile = profile._replace(interval_s=interval_s)
    if profile is not known:
        assign(judge, judge.policies[profile.org], row, profile)
    before = subjects.said(row)
    now = tuple(new or old for new, old in zip(checksums(said), before, strict=True))
    subjects.set_said(row, now)
    return now != before


def assign(judge: Judge, policy: OrgPolicy, row: int, profile: Profile) -> None:
    """The subject has this profile from now on, and the timing that the policy gives it for that. What runs is timed
    anew; a silence that is not too long any more is the caller's to end (`Judge.end_silence`)."""
    judge.subjects.set_profile(row, profile)
    judge.retime(row, policy.timing(profile, judge.subject_of(row)))
    judge.timers.queue(row, judge.due_at(row))
