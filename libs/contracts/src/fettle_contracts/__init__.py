"""Messages, topics and schemas at Fettle's borders."""
