"""What the correlator decides: tickets from verdicts, from facts of a whole org. Pure."""
