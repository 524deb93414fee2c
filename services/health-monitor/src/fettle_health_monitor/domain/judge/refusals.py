"""Records that cannot count, and why."""

from enum import StrEnum
from typing import NamedTuple


class RefusalCode(StrEnum):
    """Stable, for machines: the header `dlq-reason`."""

    KEY_INVALID = "key_invalid"
    WRONG_PARTITION = "wrong_partition"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    FIELD_INVALID = "field_invalid"
    WRONG_STATUS = "wrong_status"
    INTERVAL_OUT_OF_RANGE = "interval_out_of_range"
    CONTROL_FORGED = "control_forged"


class Refused(Exception):
    """This record's data is wrong. `message` is for people."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Refusal(NamedTuple):
    """A refused record, to be dead-lettered. `org` is empty when the key does not tell it."""

    offset: int
    org: str
    code: RefusalCode
    message: str
