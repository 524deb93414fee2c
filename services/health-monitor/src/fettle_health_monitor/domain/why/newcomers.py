"""Why nobody watched a subject that had reported by an instant."""

from dataclasses import dataclass

from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.why.subject_log import Judged, SubjectLog


@dataclass(frozen=True, slots=True)
class Unwatched:
    """What is on record of a subject that no shard watched at an instant: when it was removed before, why it is not
    watched by now and since when something is known of it (broker milliseconds), and whether it came up later."""

    removed_at: int | None = None
    by_now: str | None = None
    since: int = 0
    came_up: bool = False


def turned_away(judged: Judged, log: SubjectLog, known: Unwatched) -> str | None:
    """Why it was not watched, `list_only` or `subject_cap`; None where it had not reported by then, as far as is kept.
    Alone it would have been watched where the cap has turned it away, as that counts others too."""
    by_now = known.by_now if (known.removed_at or 0) <= known.since <= log.at else None
    if known.removed_at is not None:
        return by_now
    if log.key in judged.shard.judge.subjects.rows:
        return Ignored.SUBJECT_CAP.value if log.sent and (known.by_now or known.came_up) else None
    for why in (Ignored.LIST_ONLY, Ignored.SUBJECT_CAP):
        if judged.folded.ignored[why]:
            return why.value
    return log.listed or by_now
