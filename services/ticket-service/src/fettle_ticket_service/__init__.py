"""Owns the state and timeline of every ticket."""
