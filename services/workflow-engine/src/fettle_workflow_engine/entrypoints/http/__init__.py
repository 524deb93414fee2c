"""The engine's part of the API. Who calls is checked here; what the rules are is decided elsewhere."""
