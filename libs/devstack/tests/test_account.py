"""Who runs PostgreSQL when root asks for it, and where that account finds its files."""

import os
from pathlib import Path

import pytest

from fettle_devstack import account
from fettle_devstack.account import Account, can_enter, data_folder, program_folder, server_account
from fettle_devstack.failures import DevstackError

STRANGER = Account("stranger", 64_321, 64_321)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder inside one that only its owner may enter."""
    inside = tmp_path / "private" / "inside"
    inside.mkdir(parents=True)
    inside.parent.chmod(0o700)
    return inside


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that everybody may enter, as far as these tests look."""
    inside = tmp_path / "public"
    inside.mkdir(mode=0o755)
    monkeypatch.setattr(account, "can_enter", lambda folder, _: "public" in str(folder))
    return inside


def test_whoever_is_not_root_runs_it_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None


@pytest.mark.rule("OP-10")
def test_root_runs_it_as_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = server_account()
    assert found is not None
    assert found.uid != 0
    assert found.name in ("postgres", "nobody")


@pytest.mark.rule("OP-10")
def test_without_such_an_account_root_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "_NAMES", ("nobody-of-this-name",))
    with pytest.raises(DevstackError, match="needs a user named nobody-of-this-name"):
        server_account()


@pytest.mark.rule("OP-10")
@pytest.mark.parametrize(
    ("mode", "who", "may"),
    [
        (0o700, STRANGER, False),
        (0o711, STRANGER, True),
        (0o701, Account("owner", os.getuid(), 64_321), True),
        (0o601, Account("owner", os.getuid(), 64_321), False),
        (0o710, Account("group", 64_321, os.getgid()), True),
        (0o701, Account("group", 64_321, os.getgid()), False),
    ],
)
def test_every_folder_on_the_way_counts(tmp_path: Path, mode: int, who: Account, may: bool) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True, mode=0o755)
    inside.parent.chmod(mode)
    for above in tmp_path.parents:
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    tmp_path.chmod(0o711)
    assert can_enter(inside, who) is may
    assert can_enter(inside / "not" / "yet", who) is may
    inside.parent.chmod(0o755)


@pytest.mark.rule("OP-10")
def test_data_stand_in_the_home_where_the_account_can_enter_it(opened: Path) -> None:
    mine = Account("me", os.getuid(), os.getgid())
    folder = data_folder(opened, "postgres", mine)
    assert folder == opened.resolve() / "postgres"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.rule("OP-10")
def test_data_stand_elsewhere_and_are_found_again_where_it_cannot(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "SYSTEM_DATA", tmp_path / "var")
    monkeypatch.setattr(account, "can_enter", lambda folder, _: "private" not in str(folder))
    mine = Account("me", os.getuid(), os.getgid())
    folder = data_folder(closed, "postgres", mine)
    assert folder.parent == (tmp_path / "var").resolve()
    assert (closed / "postgres").readlink() == tmp_path / "var" / folder.name
    assert data_folder(closed, "postgres", mine) == folder
    (tmp_path / "other").mkdir()
    assert data_folder(closed.parent, "postgres", mine) != folder


def test_data_of_somebody_else_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "postgres").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(DevstackError, match=r"was made by user .* Run as that user, or set FETTLE_HOME"):
        data_folder(tmp_path, "postgres", None)


@pytest.mark.rule("OP-10")
def test_programs_stand_where_the_account_can_run_them(
    closed: Path, opened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "SYSTEM_CACHE", tmp_path / "var")
    assert program_folder(closed, None) == closed
    assert program_folder(opened, STRANGER) == opened
    assert program_folder(closed, STRANGER) == tmp_path / "var"
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o755
