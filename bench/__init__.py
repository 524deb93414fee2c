"""One question per benchmark; each answer is a figure beside something measured in the same run."""
