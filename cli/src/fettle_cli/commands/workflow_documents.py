"""`fettle workflows lint`, `apply` and `export`: documents between a folder and an org."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fettle_cli.api import calling, in_words
from fettle_cli.documents import Document, read, tell_faults, write
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json
from fettle_client import Fettle, Refused
from fettle_client.shapes.workflows import Workflow

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="FILE|FOLDER...", help="YAML or JSON documents, or folders of them.", exists=True),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Save without asking.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the org's workflows that none of the documents is of.")]

MEANWHILE = (404, 409, 412)
"""How it is refused when somebody else has made, changed or removed the workflow since the plan was made."""


class Act(StrEnum):
    """What applying comes to for one workflow."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan; `difference` is from what is saved to the document, and `seen` when that was saved."""

    act: Act
    workflow: str
    document: Document | None = None
    difference: str = ""
    seen: str | None = None


def lint(paths: Paths, as_json: Json = False) -> None:
    """Check documents without an installation: every fault with its line and column."""
    documents = read(paths)
    if as_json:
        show_json({"items": [{"file": str(one.file), "faults": one.faults} for one in documents]})
    else:
        for one in documents:
            tell_faults(one.file, one.faults)
    if wrong := _at_fault(documents):
        raise CliError(f"{len(wrong)} of {len(documents)} documents cannot be saved: {', '.join(wrong)}")


def apply(paths: Paths, yes: Yes = False, prune: Prune = False, org: Org = None, as_json: Json = False) -> None:
    """Save documents as the org's workflows of their names, after showing what that changes. Nothing is saved if one
    of them has a fault."""
    if not yes and (as_json or not sys.stdin.isatty()):
        raise UsageError("nobody is there to ask: say --yes to save without asking")
    here = Installation.here()
    documents = read(paths)
    if wrong := _at_fault(documents):
        for one in documents:
            tell_faults(one.file, one.faults)
        raise CliError(f"nothing was saved: {', '.join(wrong)} cannot be")
    with calling(here, org) as fettle:
        plan = _planned(documents, list(fettle.export_workflows()), prune)
        if not as_json:
            _show(plan)
        to_do = [step for step in plan if step.act in (Act.CREATE, Act.CHANGE, Act.DELETE)]
        if to_do and not yes and not typer.confirm("Save this?"):
            raise CliError("nothing was saved")
        saved = _carried_out(fettle, to_do)
    if as_json:
        show_json({"plan": [_shown(step) for step in plan], "items": saved})
        return
    for workflow in saved:
        state = "enabled" if workflow["enabled"] else "disabled"
        say(f"{workflow['workflow']} is saved as version {workflow['version']}, {state}")
    for step in to_do:
        if step.act is Act.DELETE:
            say(f"{step.workflow} is deleted")


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.", file_okay=False)],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Write every workflow's document into a file of its name, as it was saved. `apply` brings them in again."""
    here = Installation.here()
    with calling(here, org) as fettle:
        documents = {one["workflow"]: one["document"] for one in fettle.export_workflows()}
    written = write(folder, documents)
    if as_json:
        show_json({"items": [str(file) for file in written]})
    else:
        say(f"{len(written)} {'document is' if len(written) == 1 else 'documents are'} in {folder}")


def _at_fault(documents: Sequence[Document]) -> list[str]:
    return [str(one.file) for one in documents if one.faults]


def _planned(documents: Sequence[Document], present: Sequence[Workflow], prune: bool) -> list[Step]:
    from fettle_workflow_engine.checking import difference_text

    saved = {one["workflow"]: one for one in present}
    plan = []
    for one in documents:
        name = one.workflow or ""
        if name not in saved:
            plan.append(Step(Act.CREATE, name, one))
        elif saved[name]["document"] == one.text:
            plan.append(Step(Act.UNCHANGED, name, one))
        else:
            difference = difference_text(saved[name]["document"], one.text, name)
            plan.append(Step(Act.CHANGE, name, one, difference, saved[name]["saved_at"]))
    left = sorted(saved.keys() - {step.workflow for step in plan})
    act = Act.DELETE if prune else Act.KEEP
    return [*plan, *(Step(act, name, seen=saved[name]["saved_at"]) for name in left)]


def _show(plan: Sequence[Step]) -> None:
    words = {Act.KEEP: "keep (none of the documents; --prune deletes it)"}
    for step in plan:
        say(f"{words.get(step.act, step.act.value)}: {step.workflow}")
        for line in step.difference.splitlines():
            say(f"  {line}")


def _carried_out(fettle: Fettle, steps: Sequence[Step]) -> list[Workflow]:
    """Saves, then deletes, each only over what the plan has seen. What is refused (a loop with what comes later) is
    tried again as long as others get through. Raises CliError with what is left."""
    saved: list[Workflow] = []
    left = list(steps)
    while left:
        refused: list[tuple[Step, Refused]] = []
        for step in left:
            try:
                if step.document is None:
                    fettle.remove_workflow(step.workflow, saved_at=step.seen)
                elif step.seen is None:
                    saved.append(fettle.create_workflow(step.document.text))
                else:
                    saved.append(fettle.put_workflow(step.workflow, step.document.text, saved_at=step.seen))
            except Refused as refusal:
                refused.append((step, refusal))
                if not refusal.problem.get("faults"):
                    raise _given_up(refused[-1:], saved) from None
        if len(refused) == len(left):
            raise _given_up(refused, saved)
        left = [step for step, _ in refused]
    return saved


def _given_up(refused: Sequence[tuple[Step, Refused]], saved: Sequence[Workflow]) -> CliError:
    for step, refusal in refused:
        if step.document is not None:
            tell_faults(step.document.file, refusal.problem.get("faults", []))
    step, refusal = refused[0]
    again = "; apply again to see what it would change now" if refusal.status in MEANWHILE else ""
    before = f"; saved before: {', '.join(one['workflow'] for one in saved)}" if saved else ""
    return CliError(f"{step.document.file if step.document else step.workflow}: {in_words(refusal)}{again}{before}")


def _shown(step: Step) -> dict[str, str | None]:
    return {
        "act": step.act.value,
        "workflow": step.workflow,
        "file": str(step.document.file) if step.document else None,
        "difference": step.difference or None,
    }
