"""Where other systems knock, and how much they may bring, for all who pass it on."""

import re
from typing import Final

from fettle_contracts.causation import DEPTH_HEADER
from fettle_contracts.identity import ORG_PATTERN

HOOK_PATH: Final = re.compile(rf"/api/v1/orgs/{ORG_PATTERN}/workflows/[^/]+/hook")
HOOK_MAX_BYTES: Final = 256 * 2**10
HOOK_HEADERS: Final = frozenset(
    {
        "content-type",
        "idempotency-key",
        "traceparent",
        DEPTH_HEADER,
        "fettle-hook-secret",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-hub-signature-256",
        "x-github-delivery",
        "x-github-event",
        *(f"ce-{name}" for name in ("id", "source", "specversion", "type", "time", "subject")),
    }
)
"""All that a hook hears of the caller's headers."""

NO_SUCH_HOOK: Final = "There is no such hook, or this does not carry its secret."
"""Said to all who do not have the secret, so that nobody learns which hooks there are."""
