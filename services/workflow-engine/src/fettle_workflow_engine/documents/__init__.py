"""Workflow documents that come with the engine."""

from importlib.resources import files

DEMO_WORKFLOW = "demo-comment-on-new-tickets"
_READY_MADE = ("alert-when-a-device-goes-offline", "open-ticket-from-external-check")


def demo_document() -> str:
    """The YAML of the workflow that comments on new tickets in the demo org."""
    return _text("demo")


def ready_made() -> tuple[str, ...]:
    """The YAML of the workflows that every org begins with."""
    return tuple(_text(name) for name in _READY_MADE)


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
