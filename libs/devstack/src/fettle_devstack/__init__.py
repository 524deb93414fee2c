"""Real Kafka and real Postgres on one machine."""
