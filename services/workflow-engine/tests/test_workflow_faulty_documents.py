"""Documents with faults, each with all that is said of it: the folder `faulty`, one file for each part of a document.

A document ends at the lines that begin with `! `: place, message and, behind `->`, what was probably meant. Lists of
known names are cut (`known: …`), since they grow. What is not whole is put into a frame first.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
FOLDER = Path(__file__).parent / "faulty"
TRIGGERED = "workflow: a\nnodes:\n  opened: {trigger: ticket.opened}\n"
FRAMES = {
    "documents": ("", ""),
    "nodes": (f"{TRIGGERED}  n: ", ""),
    "triggers": ("workflow: a\nnodes:\n  n: ", ""),
    "languages": (f"{TRIGGERED}  n: ", ""),
    "rows": (f"{TRIGGERED}  n: {{after: [opened], if: {{all: [", "]}}"),
}


def corpus() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every document with what is to be said of it."""
    for name, (before, behind) in FRAMES.items():
        for case in re.split(r"(?<=\n)\n(?!! )", (FOLDER / f"{name}.txt").read_text()):
            lines = case.strip("\n").splitlines()
            said = tuple(line.removeprefix("! ") for line in lines if line.startswith("! "))
            yield before + "\n".join(line for line in lines if not line.startswith("! ")) + behind, said


CORPUS = list(corpus())


def told(fault: Fault) -> str:
    meant = f" -> {fault.suggestion}" if fault.suggestion else ""
    message = re.sub("; known: .*", "; known: …", fault.message)
    return f"{fault.place.line}:{fault.place.column} {message}{meant}"


@pytest.mark.rule("WF-1", "WF-3", "WF-34", "WF-53")
@pytest.mark.parametrize(("document", "said"), CORPUS, ids=range(len(CORPUS)))
def test_every_fault_is_said_with_its_place(document: str, said: tuple[str, ...]) -> None:
    with pytest.raises(DocumentRefused) as refusal:
        load(document, LANGUAGES)
    assert tuple(told(fault) for fault in refusal.value.faults) == said


@pytest.mark.rule("WF-1")
def test_every_place_is_in_the_document() -> None:
    for document, said in CORPUS:
        lines = document.splitlines()
        for fault in said:
            line, column = map(int, fault.split(" ")[0].split(":"))
            assert line <= len(lines)
            assert column <= len(lines[line - 1]) + 2, (document, fault)


def test_the_corpus_is_large_and_has_none_twice() -> None:
    documents = [document for document, _ in CORPUS]
    assert len(set(documents)) == len(documents) > 250
    assert all(said for _, said in CORPUS)
