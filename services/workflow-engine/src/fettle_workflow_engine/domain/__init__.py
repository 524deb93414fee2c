"""What a workflow is, whether a document is right, and what a run does next. Pure."""
