"""The service's own HTTP API, behind the console: the paths of the public API under internal tokens."""
