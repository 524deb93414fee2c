"""What the benchmarks of the ticket service share."""
