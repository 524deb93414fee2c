"""The console's outside: Postgres, Kafka, and the services behind it."""
