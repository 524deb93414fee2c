"""What a ticket is, what may be asked of it, and what follows. Pure: no clock, no ids drawn, no I/O."""
