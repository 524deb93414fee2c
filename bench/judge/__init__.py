"""What the benchmarks of the judge share."""
