"""What the benchmarks of the workflow engine share."""
