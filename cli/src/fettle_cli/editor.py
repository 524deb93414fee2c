"""Text that a person edits in the editor of their choice."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from fettle_cli.failures import CliError


def edited(text: str) -> str:
    """The text as the person left it. `VISUAL`, else `EDITOR`, else vi. Raises CliError when the editor fails."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="fettle-") as folder:
        path = Path(folder) / "description.md"
        path.write_text(text)
        try:
            subprocess.run([*command, str(path)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CliError(f"nothing was changed: the editor {command[0]} failed ({error})") from None
        return path.read_text()
