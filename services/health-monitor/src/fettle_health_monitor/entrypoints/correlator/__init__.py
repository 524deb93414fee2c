"""The correlator's borders: subscriptions and HTTP routes."""
