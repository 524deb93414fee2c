"""The commands of `fettle`, one module per group."""
