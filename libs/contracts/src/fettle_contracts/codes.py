"""Stable codes: why a command was rejected, why a record is a dead letter. Codes are added, never renamed."""

from enum import StrEnum


class Code(StrEnum):
    """A text code with its meaning for people: `Code.X == "x"`, `Code.X.meaning`."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Code":
        code = str.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


class RejectionCode(Code):
    """Why a readable ticket command was refused: `reason.code` of a result, `code` of the API's answer."""

    ORG_UNKNOWN = "org_unknown", "There is no such org."
    ORG_MISMATCH = "org_mismatch", "The record's key is not the org that its data names."
    SOURCE_RESERVED = "source_reserved", "A source under `fettle/` is Fettle's own and needs its signature."
    FIELD_RESERVED = "field_reserved", "A field that only a signed command may carry."
    TICKET_NOT_FOUND = "ticket_not_found", "The org has no such ticket."
    WRONG_STATE = "wrong_state", "The ticket's state does not allow this command."
    KEY_RESERVED = (
        "key_reserved",
        ("Keys that begin with `device/`, `integration/` or `other/heartbeats:` are the health monitor's alone."),
    )
    TITLE_EMPTY = "title_empty", "A ticket needs a title."
    TITLE_TOO_LONG = "title_too_long", "A title is one line of at most 200 characters."
    KIND_INVALID = "kind_invalid", "A kind is a text of 1 to 120 characters."
    KIND_RESERVED = "kind_reserved", "The kinds of the health monitor's tickets (`device_offline` …) are not people's."
    TEXT_TOO_LONG = "text_too_long", "A comment or description has at most 64 KiB of UTF-8."
    COMMENT_EMPTY = "comment_empty", "A comment needs text."
    DESCRIPTION_CHANGED = (
        "description_changed",
        "The description or the links have changed since the version that the edit names.",
    )
    TOO_MANY_LINKS = "too_many_links", "A ticket has at most ten links."
    LINK_INVALID = "link_invalid", "A link has a label of 1 to 120 characters and an http or https address."
    KEY_INVALID = "key_invalid", "A dedup key is a text of 1 to 400 characters."
    PARENT_INVALID = "parent_invalid", "The parent that the command names is not there, or is the ticket itself."
    REPORT_ISSUE_DISABLED = "report_issue_disabled", "The org's ticket policy has switched reports by people off."
    RECORD_ALTERED = (
        "record_altered",
        "What is on record of the ticket or its org claims so much that nothing can follow it: somebody altered it.",
    )
    COMMAND_ID_REUSED = "command_id_reused", "The same command id came before with other content."


class DeadLetterCode(Code):
    """Why a record stands in a dead-letter topic: header `dlq-reason`."""

    NOT_JSON = "not_json", "The value is not a JSON object."
    TOO_LARGE = "too_large", "The value is larger than the topic's rule allows (heartbeats: 16 KiB)."
    KEY_INVALID = "key_invalid", "The key is not of the form that the topic asks for (heartbeats: `org/type/id`)."
    WRONG_PARTITION = "wrong_partition", "The key does not belong in this partition: the producer must use murmur2."
    STATUS_INVALID = "status_invalid", "The status is not one that the subject's type can have."
    INTERVAL_OUT_OF_RANGE = "interval_out_of_range", "`interval_s` is not between 1 and 86,400."
    FIELD_INVALID = "field_invalid", "A field does not have the type or size that it must have."
    CONTROL_FORGED = "control_forged", "A control record without a valid signature."
    UNREADABLE = "unreadable", "The record is not the CloudEvent or data that the topic asks for."
    CONTENT_TYPE = "content_type", "The data is not declared as JSON."
    TYPE_UNKNOWN = "type_unknown", "The event's type is not one that the topic carries."
    VERB_UNKNOWN = "verb_unknown", "The command's verb is not a known one."
    UNSIGNED = "unsigned", "A record that only Fettle may write has no signature."
    BAD_SIGNATURE = "bad_signature", "The signature does not fit the record."
    UNKNOWN_KEY = "unknown_key", "The signature names a key that this installation does not have."
    STALE = "stale", "The signed record is older than seven days."
    BUG = "bug", "Handling the record crashed three starts in a row; it was set aside."
