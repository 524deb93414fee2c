"""Which calls are tried again, and when. Every call of the API may come twice and has its effect once: reads change
nothing, and writes carry a key or say what is to be in the end."""

from fettle_client.errors import FettleError, Refused, Unreachable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class Patience:
    """The pauses of one call; together at most `longest_s`. With 0 nothing is tried again."""

    def __init__(self, longest_s: float) -> None:
        self._left_s, self._next_s = longest_s, FIRST_PAUSE_S

    def pause_s(self, failure: FettleError) -> float | None:
        """How long to wait before trying again; None: let it be.

        429, 503 and 504 `outcome_unknown` as their `Retry-After` says, without one not at all; where nobody is there,
        or the connection broke, after pauses that double up to 2 s.
        """
        pause_s = self._asked_for(failure)
        if pause_s is None or pause_s > self._left_s:
            return None
        self._left_s -= pause_s
        return pause_s

    def _asked_for(self, failure: FettleError) -> float | None:
        match failure:
            case Refused(status=429 | 503, retry_after_s=float(wait_s)):
                return max(wait_s, FIRST_PAUSE_S)
            case Refused(status=504, code="outcome_unknown", retry_after_s=float(wait_s)):
                return max(wait_s, FIRST_PAUSE_S)
            case Unreachable(again=True):
                pause_s, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_PAUSE_S)
                return pause_s
        return None
