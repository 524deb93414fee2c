"""Documents of workflows as texts: switching one on or off without touching what else somebody wrote there."""

import json
import re

_ENABLED = re.compile(r"^enabled:[ \t]*[A-Za-z]+(?=[ \t]*(?:#[^\n]*)?\r?$)", re.MULTILINE)
_WORKFLOW = re.compile(r"^workflow:[ \t]*[\w-]+(?=[ \t]*(?:#[^\n]*)?(\r?)$)[^\n]*", re.MULTILINE)


def switched(document: str, enabled: bool) -> str | None:
    """The document with `enabled` as wanted; None where it is written so that only a person can tell its place.

    In YAML only a key of the document itself begins a line, so that no text inside it is taken for one. Comments and
    order stay. A document in JSON is laid out anew.
    """
    if document.lstrip().startswith("{"):
        return _switched_json(document, enabled)
    wanted = f"enabled: {str(enabled).lower()}"
    if _ENABLED.search(document):
        return _ENABLED.sub(wanted, document, count=1)
    if named := _WORKFLOW.search(document):
        return f"{document[: named.end()].rstrip(chr(13))}{named[1]}\n{wanted}{named[1]}{document[named.end() :]}"
    return None


def _switched_json(document: str, enabled: bool) -> str | None:
    try:
        known = json.loads(document)
    except ValueError:
        return None
    return json.dumps({**known, "enabled": enabled}, indent=2, ensure_ascii=False)
