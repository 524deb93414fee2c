"""`fettle health import` against a small real API."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

PATH = "orgs/acme/subjects/import"
REFUSED = {
    "line": 3,
    "subject": "device/b",
    "result": "refused",
    "code": "malformed",
    "field": "interval_s",
    "rule": "must be a whole number",
}


def answer(*refused: dict[str, Any], added: int = 1, dry_run: bool = False, **more: Any) -> str:
    counts = {"added": added, "changed": 0, "unchanged": 4, "refused": len(refused)}
    summary: dict[str, Any] = {"dry_run": dry_run, "lines": 7, **counts, "acknowledged": None if dry_run else True}
    summary |= {"as_of": AT, **more}
    lines = [{"line": 2, "subject": "device/a", "result": "added"}, *refused, {"summary": summary}]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.csv"
    path.write_text("type,id\ndevice,a\n")
    return path


@pytest.mark.rule("HM-196")
def test_a_program_imports_at_once_and_hears_of_refused_lines(fettle: Fettle, api: FettleApi, file: Path) -> None:
    api.on("POST", PATH, answer(REFUSED, acknowledged=False))
    ran = fettle("health", "import", str(file))
    assert ran.status == 1
    assert [(request.query, request.body) for request in api.requests] == [({"dry_run": "false"}, file.read_bytes())]
    assert api.last.headers["content-type"] == "text/csv"
    assert ran.out.splitlines()[0].split("  ")[-1].endswith("REFUSED BECAUSE")
    assert ran.out.splitlines()[1:] == [
        "3     device/b  interval_s  must be a whole number",
        "1 added, 0 changed, 4 unchanged, 1 refused.",
        "Kafka does not have all of it yet; it will take effect when it does.",
        f"As of {AT}.",
    ]
    api.on("POST", PATH, answer())
    assert fettle("health", "import", str(file)).status == 0


@pytest.mark.rule("HM-196")
@pytest.mark.parametrize(("typed", "asked"), [("y\n", ["true", "false"]), ("n\n", ["true"])])
def test_on_a_terminal_a_dry_run_comes_first(
    fettle: Fettle, api: FettleApi, file: Path, typed: str, asked: list[str]
) -> None:
    api.on("POST", PATH, answer(dry_run=True))
    ran = fettle("health", "import", str(file), stdin=typed, typed=True)
    assert "Nothing was entered; it would be: 1 added, 0 changed, 4 unchanged, 0 refused." in ran.out
    assert "Add 1 and change 0?" in ran.err
    assert [request.query["dry_run"] for request in api.requests] == asked
    assert ran.status == (0 if typed == "y\n" else 1)


@pytest.mark.rule("HM-196")
@pytest.mark.parametrize(("option", "dry"), [("--yes", "false"), ("--dry-run", "true")])
def test_an_option_says_that_nobody_is_asked(fettle: Fettle, api: FettleApi, file: Path, option: str, dry: str) -> None:
    api.on("POST", PATH, answer())
    assert fettle("health", "import", str(file), option, typed=True).status == 0
    assert [request.query for request in api.requests] == [{"dry_run": dry}]


@pytest.mark.rule("HM-196")
def test_where_nothing_would_change_nobody_is_asked(fettle: Fettle, api: FettleApi, file: Path) -> None:
    api.on("POST", PATH, answer(added=0, dry_run=True))
    assert fettle("health", "import", str(file), typed=True).status == 0
    assert len(api.requests) == 1


@pytest.mark.rule("HM-196")
def test_programs_get_the_lines_as_they_come(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    file = tmp_path / "fleet.JSONL"
    file.write_text('{"type":"device","id":"a"}\n')
    api.on("POST", PATH, answer(REFUSED))
    ran = fettle("health", "import", str(file), "--json", typed=True)
    assert (ran.status, ran.out, len(api.requests)) == (1, answer(REFUSED), 1)
    assert api.last.headers["content-type"] == "application/x-ndjson"


@pytest.mark.rule("HM-194", "HM-196")
@pytest.mark.parametrize("cut", [-2, -40, 60])
def test_an_answer_that_breaks_off_is_no_import(fettle: Fettle, api: FettleApi, file: Path, cut: int) -> None:
    api.on("POST", PATH, answer()[:cut])
    ran = fettle("health", "import", str(file))
    assert ran.status == 1
    assert "broke off after line 2: import the file again" in ran.err


@pytest.mark.rule("HM-196")
def test_what_is_refused_as_a_whole_is_said_in_one_line(fettle: Fettle, api: FettleApi, file: Path) -> None:
    api.refuse("POST", PATH, 400, "malformed", "there is no column 'nmae'; did you mean name?", field="nmae")
    ran = fettle("health", "import", str(file))
    assert (ran.status, ran.out) == (1, "")
    assert "nmae: there is no column 'nmae'; did you mean name? [malformed]" in ran.err


@pytest.mark.rule("HM-196")
def test_a_file_of_another_kind_is_wrong_use(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    (tmp_path / "fleet.xlsx").touch()
    assert fettle("health", "import", "fleet.xlsx").status == 2
    assert fettle("health", "import", "nothing.csv").status == 2
    assert api.requests == []
