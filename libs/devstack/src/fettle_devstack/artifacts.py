"""Files from a Maven repository, pinned by coordinate and checksum.

`artifacts.lock` has one line per file: `group:artifact:version size sha256`, or `group:artifact:version:zip …` for what
is no jar, under a heading `[name]` per download.
`python -m fettle_devstack.relock` writes it anew. Where the files come from is jgo's choice (Maven Central) unless
`FETTLE_MAVEN_REPOSITORY` names a mirror; whether they are believed is decided here, by the pinned checksum alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fettle_devstack import cache
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

LOCK = "artifacts.lock"


@dataclass(frozen=True)
class Pinned:
    """One file: where it is and what it has to be."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str
    kind: str = "jar"

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.{self.kind}"

    @property
    def coordinate(self) -> str:
        beside = "" if self.kind == "jar" else f":{self.kind}"
        return f"{self.group}:{self.artifact}:{self.version}{beside}"

    @classmethod
    def parse(cls, line: str) -> "Pinned":
        coordinate, size, digest = line.split()
        group, artifact, version, *kind = coordinate.split(":")
        return cls(group, artifact, version, int(size), digest, *kind)


def pinned(name: str) -> tuple[Pinned, ...]:
    """The files of one download, by its heading in the lock file. Empty when there is no such heading."""
    found: list[Pinned] = []
    heading = ""
    for line in files("fettle_devstack").joinpath(LOCK).read_text().splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
        elif line and heading == name:
            found.append(Pinned.parse(line))
    return tuple(found)


def fetched(name: str, wanted: Sequence[Pinned], settings: DevstackSettings, progress: Progress) -> Path:
    """The folder of the cache with all wanted files under their own names, downloaded on first use.

    Blocks meanwhile. Raises `DownloadFailed`, or `Interrupted`.
    """
    mark = hashlib.sha256("".join(sorted(one.sha256 for one in wanted)).encode()).hexdigest()[:8]

    def fill(folder: Path) -> None:
        from fettle_devstack.download import download  # half a second of imports, for a first start only

        download(name, wanted, folder, settings.maven_repository, progress)

    return cache.entry(settings.cache, f"{name}-{mark}", fill)
