"""API front and web console."""
