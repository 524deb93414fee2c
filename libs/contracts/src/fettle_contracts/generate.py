"""Write what is derived from the models: JSON Schemas, AsyncAPI, the page of codes, digests of golden examples.

    python -m fettle_contracts.generate            write; refuses a change that old readers could not read
    python -m fettle_contracts.generate --check    write nothing; exit 1 and say what differs
    python -m fettle_contracts.generate --release  also make the present schemas the baseline that later ones
                                                   must stay compatible with

Works in a checkout of the repository only.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fettle_contracts import asyncapi, code_page
from fettle_contracts.compatibility import breaks
from fettle_contracts.schemas import all_schemas

MEMBER = Path(__file__).parents[2]
REPOSITORY = MEMBER.parents[1]
DIGESTS = "DIGESTS"


def main(arguments: Sequence[str] | None = None, member: Path = MEMBER, repository: Path = REPOSITORY) -> int:
    """Exit status: 0 done or nothing to do, 1 something differs or breaks."""
    parser = argparse.ArgumentParser(prog="python -m fettle_contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--release", action="store_true", help="make the present schemas the baseline")
    options = parser.parse_args(arguments)
    baseline = member / "baseline"
    wrong = [*broken_readers(read_schemas(baseline), all_schemas()), *edited_examples(member / "examples")]
    if wrong:
        return _say(wrong)
    files = {**generated(member, repository), **_digests(member / "examples")}
    if options.release:
        files |= _schema_files(baseline)
    if options.check:
        return _say(list(_differences(files, member)))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in _leftover(files, member):
        path.unlink()
    return 0


def generated(member: Path, repository: Path) -> dict[Path, str]:
    """Every derived file with its content."""
    return {
        **_schema_files(member / "schemas"),
        repository / "docs" / "asyncapi.json": _json(asyncapi.document()),
        repository / "docs" / "codes.md": code_page.page(),
    }


def broken_readers(baseline: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[str]:
    """What of `present` readers and writers of `baseline` could not live with."""
    for message_type, old in baseline.items():
        if message_type not in present:
            yield f"{message_type} is gone; a version of a message lives at least a year beside the next"
            continue
        for found in breaks(old, present[message_type]):
            yield f"{message_type}: {found}"


def edited_examples(folder: Path) -> Iterator[str]:
    """Golden examples that are not what was recorded when they were added."""
    for name, digest in recorded_digests(folder).items():
        path = folder / name
        if not path.exists():
            yield f"{name} is gone; golden examples stay as long as their version lives"
        elif _digest(path) != digest:
            yield f"{name} was edited; golden examples are added, never changed"


def read_schemas(folder: Path) -> dict[str, Any]:
    """The schemas of a folder by message type."""
    return {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def recorded_digests(folder: Path) -> dict[str, str]:
    """The recorded digest of each golden example, by its path inside `folder`."""
    record = folder / DIGESTS
    lines = record.read_text().splitlines() if record.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _digests(folder: Path) -> dict[Path, str]:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.json"))
    return {folder / DIGESTS: "".join(f"{_digest(folder / name)}  {name}\n" for name in names)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _schema_files(folder: Path) -> dict[Path, str]:
    return {folder / f"{message_type}.json": _json(schema) for message_type, schema in all_schemas().items()}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _differences(files: Mapping[Path, str], member: Path) -> Iterator[str]:
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            yield f"{path.name} is not what the models say; run `make schemas`"
    for path in _leftover(files, member):
        yield f"{path.name} belongs to no message; run `make schemas`"


def _leftover(files: Mapping[Path, str], member: Path) -> list[Path]:
    return [path for path in sorted((member / "schemas").glob("*.json")) if path not in files]


def _say(faults: Sequence[str]) -> int:
    for fault in faults:
        sys.stderr.write(fault + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
