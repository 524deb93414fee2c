"""A day judged once more: the fleet's log, and the correlator's domain with its facts in memory."""
