"""Write what is derived from the engine's tables: the JSON Schema of workflow documents.

    python -m fettle_workflow_engine.generate            write
    python -m fettle_workflow_engine.generate --check    write nothing; exit 1 and say what differs

Works in a checkout of the repository only.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fettle_workflow_engine.domain.schema import document_schema

FILE = Path(__file__).parents[4] / "docs" / "workflow.schema.json"


def main(arguments: Sequence[str], file: Path = FILE) -> int:
    """Exit status: 0 done or nothing to do, 1 it differs."""
    text = json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in arguments:
        file.write_text(text)
    elif not file.exists() or file.read_text() != text:
        sys.stderr.write(f"{file.name} is not what the catalogue says; run `make schemas`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
