"""The client for plain programs, derived from the one in `asynchronous/`."""
