"""A fleet that never was: seeded heartbeats of many devices, with faults, as a pure function of time."""
