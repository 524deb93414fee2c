"""One sign-in under way at the provider: what the browser keeps until it is sent back with a code."""

import base64
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

LASTS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Flow:
    """`state` ties the answer to this browser, `nonce` the token to this sign-in (OpenID Connect Core, 3.1.2.1), and
    `verifier` the code to whoever asked for it (RFC 7636). Each is random. `next` is where the person wanted to go."""

    state: str
    nonce: str
    verifier: str
    next: str
    begun_at: int
    """In whole seconds of the epoch."""

    def text(self) -> str:
        """In characters that a cookie may hold."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).rstrip(b"=").decode()

    @classmethod
    def of(cls, text: str) -> "Flow":
        """Reads what `text` wrote; anything else is a bug, as it was signed."""
        return cls(**json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))

    def has_ended(self, now: datetime) -> bool:
        return now.timestamp() >= self.begun_at + LASTS.total_seconds()
