"""Checking documents without an engine, as saving them would: what the command line stands on. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.difference import difference, unified
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault, Place
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.loops import loop_faults
from fettle_workflow_engine.domain.validate import load


@dataclass(frozen=True, slots=True)
class Checked:
    """A document's workflow (None when it has faults of its own), and every fault in reading order."""

    workflow: str | None
    faults: tuple[Fault, ...]


def check(documents: Mapping[str, str | bytes]) -> dict[str, Checked]:
    """Each document by its name, as if all of them were to be saved in one org: loops by way of each other are faults
    as well, and so is a workflow that two of them are of."""
    languages = Languages(JinjaTemplates(), CelConditions())
    read = {name: _read(document, languages) for name, document in documents.items()}
    definitions = {name: found for name, found in read.items() if isinstance(found, Definition)}
    enabled = [one for one in definitions.values() if one.enabled]
    first: dict[str, str] = {}
    checked = {}
    for name, found in read.items():
        if not isinstance(found, Definition):
            checked[name] = Checked(None, found)
            continue
        faults = list(loop_faults(found, [other for other in enabled if other.workflow != found.workflow]))
        if first.setdefault(found.workflow, name) != name:
            faults.append(Fault(Place(1, 1), f"{first[found.workflow]} is of the workflow {found.workflow!r} too"))
        checked[name] = Checked(found.workflow, DocumentRefused(faults).faults)
    return checked


def difference_text(before: str, after: str, name: str) -> str:
    """How a saved document differs from the one to be saved, as `diff -u` shows it."""
    return unified(difference(before, after), f"{name} as saved", f"{name} to save")


def _read(document: str | bytes, languages: Languages) -> Definition | tuple[Fault, ...]:
    try:
        text = document.decode() if isinstance(document, bytes) else document
    except UnicodeDecodeError:
        return (Fault(Place(1, 1), "the document is not UTF-8 text"),)
    try:
        return load(text, languages)
    except DocumentRefused as refused:
        return refused.faults
