"""Dead letters as the pages show them: why in words, and what was written as text that cannot act."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fettle_console.domain.dead_letters import Letter
from fettle_console.views.json_texts import laid_out
from fettle_contracts.codes import DeadLetterCode, RejectionCode

_MEANINGS = {str(code): code.meaning for code in (*RejectionCode, *DeadLetterCode)}
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """`why` is the reason in words; `body` None when there was no value."""

    topic: str
    offset: int
    at: datetime
    reason: str
    why: str
    message: str
    service: str
    partition: str
    source_offset: str
    key: str
    headers: Sequence[tuple[str, str]]
    body: str | None
    stays: str | None

    @classmethod
    def of(cls, letter: Letter) -> "ShownLetter":
        return cls(
            topic=letter.topic,
            offset=letter.offset,
            at=letter.at,
            reason=letter.reason,
            why=_MEANINGS.get(letter.reason, "Nobody has put down why."),
            message=_plain(letter.message),
            service=letter.service,
            partition=letter.partition,
            source_offset=letter.source_offset,
            key=readable(letter.key),
            headers=[(_plain(name), readable(value or b"")) for name, value in letter.headers],
            body=None if letter.value is None else readable(letter.value),
            stays=letter.stays,
        )


def readable(value: bytes) -> str:
    """JSON on lines of its own, anything else as the text that it is, with a mark for every character that cannot be
    seen and for bytes that are none."""
    text = value.decode(errors="replace")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return laid_out(_plain(text))
    return laid_out(_plain(json.dumps(read, indent=2, ensure_ascii=False)) if isinstance(read, dict | list) else text)


def _plain(text: str) -> str:
    return text.translate(_VISIBLE)
