"""Which servers are wanted and where they live, from `FETTLE_*`."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast

from fettle_devstack.failures import SettingWrong

Engine = Literal["embedded", "docker"]


@dataclass(frozen=True)
class DevstackSettings:
    """Frozen. `home` and `cache` are absolute; neither needs to exist."""

    home: Path
    """Data, logs and passwords, kept between runs."""
    cache: Path
    """Verified downloads, shared by every clone of this user."""
    kafka_port: int = 19092
    postgres_port: int = 15432
    engine: Engine = "embedded"
    kafka_bootstrap_servers: str | None = None
    database_url: str | None = None
    maven_repository: str | None = None
    """A mirror to use in place of Maven Central."""

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings from a mapping of variables; one that is set to nothing counts as not set.

        Raises `SettingWrong` naming the variable.
        """
        engine = environ.get("FETTLE_DEVSTACK") or "embedded"
        if engine not in ("embedded", "docker"):
            raise SettingWrong("FETTLE_DEVSTACK", f"is {engine!r}, not embedded or docker")
        return cls(
            home=Path(environ.get("FETTLE_HOME") or ".fettle").absolute(),
            cache=_cache(environ),
            kafka_port=_port(environ, "FETTLE_KAFKA_PORT", cls.kafka_port),
            postgres_port=_port(environ, "FETTLE_POSTGRES_PORT", cls.postgres_port),
            engine=cast(Engine, engine),
            kafka_bootstrap_servers=environ.get("FETTLE_KAFKA_BOOTSTRAP_SERVERS") or None,
            database_url=environ.get("FETTLE_DATABASE_URL") or None,
            maven_repository=environ.get("FETTLE_MAVEN_REPOSITORY") or None,
        )


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise SettingWrong(name, f"is {text!r}, not a port between 1 and 65535")
    return int(text)


def _cache(environ: Mapping[str, str]) -> Path:
    if own := environ.get("FETTLE_CACHE"):
        return Path(own).absolute()
    if caches := environ.get("XDG_CACHE_HOME"):
        return Path(caches).absolute() / "fettle"
    try:
        user = Path.home()
    except RuntimeError:
        raise SettingWrong("FETTLE_CACHE", "is not set, and this user has no home folder") from None
    return user / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "fettle"
