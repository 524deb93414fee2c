"""Makes `.venv` from `requirements.lock`, with nothing on the machine but Python 3.11 or newer.

The installer is `uv` at the version and hashes of the lock file. It is installed once into the user's cache folder,
which clones share, so that a second clone is ready within seconds; `--installer` does only that and prints its path.
Standard library only: this runs before anything is installed. Blocks until done; says what it does, and what is missing
together with the command that brings it.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
MEMBERS = sorted(
    path.parent for pattern in ("libs/*", "services/*", "cli") for path in ROOT.glob(f"{pattern}/pyproject.toml")
)


def fail(message: str) -> None:
    print(f"fettle: {message}", file=sys.stderr)
    raise SystemExit(1)


def cache_folder() -> Path:
    """Where downloads that clones share are kept: `FETTLE_CACHE`, else the user's cache folder."""
    if os.environ.get("FETTLE_CACHE"):
        return Path(os.environ["FETTLE_CACHE"])
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/fettle"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fettle"


def has_certificates() -> bool:
    """Whether the system keeps certificates of its own, as companies with a proxy that looks inside do."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and any(Path(paths.capath).glob("*.0")))


def locked(name: str) -> tuple[str, str]:
    """The version of one locked package and its lines in the lock file, hashes included."""
    lines = LOCK.read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((index for index in range(start + 1, len(lines)) if not lines[index].startswith(" ")), len(lines))
    return lines[start].split("==")[1].split()[0], "\n".join(lines[start:end]) + "\n"


def installer() -> Path:
    """The `uv` of the lock file, installed on first use. Two clones that start together do not meet half a folder."""
    version, requirement = locked("uv")
    home = cache_folder() / f"uv-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    program = home / "bin" / "uv"
    if program.exists():
        return program
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        fail("this Python has no venv. Bring it with: apt-get install python3-venv (or install Python from python.org)")
    print(f"installing uv {version} into {home.parent}", file=sys.stderr, flush=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as workshop:
        fresh = Path(workshop) / "uv"
        subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
        wanted = Path(workshop) / "requirements.txt"
        wanted.write_text(requirement)
        pip = [str(fresh / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(wanted)], check=False).returncode:
            fail("uv could not be installed from the package index; try again when it is reachable")
        home.joinpath("bin").mkdir(parents=True, exist_ok=True)
        half = home / "bin" / f".uv-{os.getpid()}"
        shutil.copy2(fresh / "bin" / "uv", half)
        half.replace(program)
    return program


def make_environment() -> None:
    uv, python = installer(), ROOT / ".venv" / "bin" / "python"
    environment = {"UV_SYSTEM_CERTS": str(has_certificates()).lower(), **os.environ, "VIRTUAL_ENV": str(ROOT / ".venv")}

    def run(*arguments: str | Path) -> None:
        if subprocess.run([uv, *arguments], cwd=ROOT, env=environment, check=False).returncode:
            fail(f"uv {arguments[0]} failed; the lines above say why")

    if not python.exists():
        run("venv", "--quiet", "--clear", "--python", sys.executable, ".venv")
    print("installing the locked packages", flush=True)
    run("pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK)
    editable: list[str] = []
    for member in MEMBERS:
        editable += ["-e", f"./{member.relative_to(ROOT)}"]
    run("pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", *editable)


if __name__ == "__main__":
    if sys.argv[1:] == ["--installer"]:
        print(installer())
    else:
        make_environment()
