"""What the benchmarks of the correlator share."""
