"""The doors: Kafka and HTTP. They translate and call; nothing is decided here."""
