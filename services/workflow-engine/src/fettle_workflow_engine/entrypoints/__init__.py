"""Translates records and requests into calls of one handler each."""
