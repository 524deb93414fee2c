"""Everything the console counts."""

from fettle_chassis.metrics import counter, gauge, histogram

FORWARDED = histogram("console_forwarded_seconds", "Requests passed on, until the answer began.", "service", "status")
SIGN_INS = counter("console_sign_ins", "Attempts to sign in, by outcome.", "outcome")
REFUSED_BEARERS = counter("console_refused_bearers", "API requests without a token that counts, by reason.", "reason")
LIMITED = counter("console_limited_requests", "Requests that came too fast for their token, session, hook or address.")
OUTCOMES_LOST = counter("console_audit_outcomes_lost", "Audit entries whose outcome the database did not take.")
HEARTBEAT_LINES = counter("console_heartbeat_lines", "Heartbeats posted by HTTP, by outcome.", "outcome")
LIVE_STREAMS = gauge("console_live_streams", "Open event streams.")
LIVE_EVENTS = counter("console_live_events", "Events taken from Kafka for live streams, by outcome.", "outcome")
LIVE_RESETS = counter("console_live_resets", "Streams told to start over because their place was gone.")
