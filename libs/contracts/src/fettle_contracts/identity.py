"""Who and what a message speaks of: organizations, subjects, and the key of a heartbeat."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

ORG_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"
SUBJECT_ID_MAX_BYTES = 200

_ORG = re.compile(ORG_PATTERN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class SubjectType(StrEnum):
    """What a ticket can be about."""

    DEVICE = "device"
    INTEGRATION = "integration"
    SPACE = "space"
    OTHER = "other"


_TYPES = frozenset(member.value for member in SubjectType)

HEARTBEAT_TYPES = (SubjectType.DEVICE, SubjectType.INTEGRATION)


def check_org(name: str) -> str:
    """The name itself. Raises ValueError when it cannot be an organization's."""
    if not _ORG.fullmatch(name):
        raise ValueError("an org is 1 to 63 of a-z, 0-9 and -, and begins with a letter or digit")
    return name


def check_subject_id(text: str) -> str:
    """The id itself. Raises ValueError unless it is 1 to 200 bytes of UTF-8 without control characters."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("a subject id is UTF-8 text") from None
    if not 1 <= size <= SUBJECT_ID_MAX_BYTES:
        raise ValueError(f"a subject id has 1 to {SUBJECT_ID_MAX_BYTES} bytes")
    if _CONTROL.search(text):
        raise ValueError("a subject id has no control characters")
    return text


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """A subject inside its org, written `type/id`."""

    type: SubjectType
    id: str

    @classmethod
    def parse(cls, text: str) -> "SubjectRef":
        """Read `type/id`; the id may hold `/`. Raises ValueError with a plain reason."""
        kind, slash, rest = text.partition("/")
        if not slash or kind not in _TYPES:
            raise ValueError("a subject is written type/id, with type device, integration, space or other")
        return cls(SubjectType(kind), check_subject_id(rest))

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class HeartbeatKey:
    """The key of a record in `device.heartbeats`: `org/type/id`, of a device or an integration."""

    org: str
    subject: SubjectRef

    @classmethod
    def parse(cls, key: bytes | str | None) -> "HeartbeatKey":
        """Raises ValueError with a plain reason when the key is no `org/type/id`."""
        if key is None:
            raise ValueError("a heartbeat needs a key: org/type/id")
        try:
            text = key if isinstance(key, str) else key.decode()
        except UnicodeDecodeError:
            raise ValueError("a heartbeat's key is UTF-8 text: org/type/id") from None
        org, slash, rest = text.partition("/")
        if not slash:
            raise ValueError("a heartbeat's key is org/type/id")
        subject = SubjectRef.parse(rest)
        if subject.type not in HEARTBEAT_TYPES:
            raise ValueError("only devices and integrations send heartbeats")
        return cls(check_org(org), subject)

    def __str__(self) -> str:
        return f"{self.org}/{self.subject}"

    def encode(self) -> bytes:
        return str(self).encode()


def _check_subject(text: str) -> str:
    return str(SubjectRef.parse(text))


OrgName = Annotated[str, AfterValidator(check_org), WithJsonSchema({"type": "string", "pattern": f"^{ORG_PATTERN}$"})]
SubjectId = Annotated[
    str, AfterValidator(check_subject_id), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200})
]
SubjectText = Annotated[
    str,
    AfterValidator(_check_subject),
    WithJsonSchema({"type": "string", "pattern": "^(device|integration|space|other)/."}),
]
