"""How fast one token, session or address may ask: each has a bucket of requests that is filled at a steady pace."""

from collections import OrderedDict
from dataclasses import dataclass

SIGN_INS_PER_S = 1 / 6
SIGN_INS_AT_ONCE = 20
"""How many tokens that do not count one address may try on the sign-in page: people mistype, and share addresses."""

ARRIVALS_PER_S = 1.0
ARRIVALS_AT_ONCE = 1_000
"""How many sign-ins that count one address may have: a large office on a Monday morning, and 86,400 more a day."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RequestLimit:
    """`burst` requests at once and `per_s` requests a second for each that asks.

    Remembers the `tokens` that asked last (tokens, sessions, hooks or addresses, by their names); one that was
    forgotten begins with a full bucket.
    """

    def __init__(self, per_s: float, burst: int, *, tokens: int = 10_000) -> None:
        self._per_s, self._burst, self._tokens = per_s, burst, tokens
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, token: str, now: float) -> float:
        """0 when the request counts and may go on; else it does not count, and after so many seconds one may.

        `now` is in seconds of a clock that never goes back.
        """
        bucket = self._filled(token, now)
        wait_s = self._wait_s(bucket)
        if not wait_s:
            bucket.left -= 1
        return wait_s

    def closed_s(self, token: str, now: float) -> float:
        """What `wait_s` would say, without counting anything."""
        return self._wait_s(self._filled(token, now))

    def _filled(self, token: str, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(token, _Bucket(self._burst, now))
        self._buckets.move_to_end(token)
        if len(self._buckets) > self._tokens:
            self._buckets.popitem(last=False)
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._per_s)
        bucket.at = now
        return bucket

    def _wait_s(self, bucket: _Bucket) -> float:
        return 0.0 if bucket.left >= 1 else (1 - bucket.left) / self._per_s
