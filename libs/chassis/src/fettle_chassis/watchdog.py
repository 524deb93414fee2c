"""Notices consumers that have died silently and starts them again."""
