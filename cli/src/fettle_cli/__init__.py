"""The fettle command."""
