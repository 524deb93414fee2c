"""Workflow documents on disk: which files there are, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fettle_cli.failures import UsageError
from fettle_cli.output import say
from fettle_client.shapes.workflows import Fault

ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """A file, the workflow that it is of (None when it has faults of its own), its text, and its faults."""

    file: Path
    workflow: str | None
    text: str
    faults: Sequence[Fault]


def read(paths: Sequence[Path]) -> list[Document]:
    """The documents of these files and folders, checked together. Raises UsageError for a folder without any."""
    from fettle_workflow_engine.checking import check

    contents = {file: file.read_bytes() for path in paths for file in _files(path)}
    checked = check({str(file): content for file, content in contents.items()})
    return [
        Document(
            file,
            checked[str(file)].workflow,
            content.decode(errors="replace"),
            [
                {
                    "line": fault.place.line,
                    "column": fault.place.column,
                    "message": fault.message,
                    "suggestion": fault.suggestion,
                }
                for fault in checked[str(file)].faults
            ],
        )
        for file, content in contents.items()
    ]


def tell_faults(file: Path, faults: Sequence[Fault]) -> None:
    """One line for each, as editors and compilers write them."""
    for fault in faults:
        hint = f" (did you mean {fault['suggestion']}?)" if fault.get("suggestion") else ""
        say(f"{file}:{fault['line']}:{fault['column']}: {fault['message']}{hint}")


def write(folder: Path, documents: Mapping[str, str]) -> list[Path]:
    """Writes each document into a file of its workflow's name; JSON into `.json`. Files of others stay."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for workflow, text in documents.items():
        ending = ".json" if text.lstrip().startswith("{") else ".yaml"
        for other in ENDINGS:
            if other != ending:
                (folder / f"{workflow}{other}").unlink(missing_ok=True)
        written.append(folder / f"{workflow}{ending}")
        written[-1].write_bytes(text.encode())
    return written


def _files(path: Path) -> list[Path]:
    """The file itself, or every document below the folder; what begins with a dot is nobody's document."""
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in ENDINGS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise UsageError(f"{path} holds no documents: {', '.join(ENDINGS)}")
    return found
