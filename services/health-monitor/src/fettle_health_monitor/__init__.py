"""Decides from heartbeats what is unhealthy."""
