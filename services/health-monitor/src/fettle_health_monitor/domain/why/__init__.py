"""Why there is or is not a ticket: one subject's part of a log, judged again as it was and as it could have been."""
