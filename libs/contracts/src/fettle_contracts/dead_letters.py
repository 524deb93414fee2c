"""The headers that a dead letter carries beside the original record's own, and how it says that it lacks its value."""

DLQ_TOPIC = "dlq-topic"
DLQ_PARTITION = "dlq-partition"
DLQ_OFFSET = "dlq-offset"
DLQ_REASON = "dlq-reason"
DLQ_MESSAGE = "dlq-message"
DLQ_AT = "dlq-at"
DLQ_SERVICE = "dlq-service"

DLQ_HEADERS = (DLQ_TOPIC, DLQ_PARTITION, DLQ_OFFSET, DLQ_REASON, DLQ_MESSAGE, DLQ_AT, DLQ_SERVICE)

_LEFT_OUT = " bytes left out)"


def without_value(message: str, size: int) -> str:
    """The message of a letter whose record was too large to be kept whole."""
    return f"{message} (value of {size}{_LEFT_OUT}"


def lacks_its_value(value: bytes | None, message: str) -> bool:
    """Whether a letter is such a one: it cannot be sent again, only its sender can."""
    return not value and message.endswith(_LEFT_OUT)
