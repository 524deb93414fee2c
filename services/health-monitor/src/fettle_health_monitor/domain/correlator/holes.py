"""Holes in the shards' logs. Nobody could be heard in them, so who was pending counts anew behind one."""

from collections.abc import Sequence


def down_from(since: int, fired_at: int | None, timeout_ms: int, ended: Sequence[int]) -> int:
    """From when on a subject counts as down: since its reading turned, or, where it was pending in a hole of its
    shard's log, since its silence was too long again behind the last one.

    `ended` are the ends of those holes, `fired_at` is None while the subject is pending, `timeout_ms` is 0 for one that
    has reported what is wrong. Broker milliseconds.
    """
    pending_in = [at for at in ended if since < at and (fired_at is None or at <= fired_at)]
    return max(pending_in) + timeout_ms if pending_in else since
