"""Runs what teams automate on tickets."""
