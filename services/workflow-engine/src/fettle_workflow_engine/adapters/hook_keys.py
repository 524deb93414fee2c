"""The secrets of hooks. None is kept: each is derived from a key of this installation, the workflow and a salt."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from fettle_chassis.signing import SigningKey
from fettle_workflow_engine.domain.hooks import SECRET_PREFIX


@dataclass(frozen=True, slots=True)
class Origin:
    """What a secret is derived from, beside org and workflow: the key by its id, and 32 random bytes."""

    key_id: str
    salt: bytes


class HookKeys:
    """Derives with every key that it knows; the first is for new secrets. A secret ends with its key."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = {key.id: key for key in keys}
        self._newest = keys[0]

    def make(self, org: str, workflow: str, salt: bytes) -> tuple[Origin, str]:
        """What a new secret is derived from, and its text."""
        return Origin(self._newest.id, salt), _derived(self._newest, org, workflow, salt)

    def secret(self, org: str, workflow: str, origin: Origin) -> str | None:
        """The text of a secret; None when its key is not known any more."""
        key = self._keys.get(origin.key_id)
        return None if key is None else _derived(key, org, workflow, origin.salt)

    def knows(self, origin: Origin) -> bool:
        """Whether the key of a secret is still known."""
        return origin.key_id in self._keys


def _derived(key: SigningKey, org: str, workflow: str, salt: bytes) -> str:
    """`whsec_` and 32 bytes in base64."""
    text = b"fettle hook\n%b\n%b\n%b" % (org.encode(), workflow.encode(), salt)
    return SECRET_PREFIX + base64.b64encode(hmac.digest(key.secret, text, "sha256")).decode()
