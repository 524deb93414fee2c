"""The smallest service that stands on the chassis: what the chassis's own tests run, in-process and as a process."""
