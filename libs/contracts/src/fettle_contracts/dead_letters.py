"""The headers that a dead letter carries beside the original record's own."""

DLQ_TOPIC = "dlq-topic"
DLQ_PARTITION = "dlq-partition"
DLQ_OFFSET = "dlq-offset"
DLQ_REASON = "dlq-reason"
DLQ_MESSAGE = "dlq-message"
DLQ_AT = "dlq-at"
DLQ_SERVICE = "dlq-service"

DLQ_HEADERS = (DLQ_TOPIC, DLQ_PARTITION, DLQ_OFFSET, DLQ_REASON, DLQ_MESSAGE, DLQ_AT, DLQ_SERVICE)
