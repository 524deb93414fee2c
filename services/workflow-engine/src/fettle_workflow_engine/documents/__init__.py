"""Workflow documents that come with the engine."""

from importlib.resources import files

DEMO_WORKFLOW = "demo-comment-on-new-tickets"


def demo_document() -> str:
    """The YAML of the workflow that comments on new tickets in the demo org."""
    return files(__name__).joinpath("demo.yaml").read_text(encoding="utf-8")
