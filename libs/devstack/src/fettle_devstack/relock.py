"""`python -m fettle_devstack.relock`: resolves what Kafka, PostgreSQL and Keycloak consist of and pins it in
`artifacts.lock`."""

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from fettle_devstack.artifacts import LOCK
from fettle_devstack.download import certificates_of_the_system
from fettle_devstack.kafka import VERSION as KAFKA
from fettle_devstack.keycloak import VERSION as KEYCLOAK
from fettle_devstack.postgres import PLATFORMS
from fettle_devstack.postgres import VERSION as POSTGRES

_RESOLVED = f"org.apache.kafka:kafka_2.13:{KAFKA}"
_BESIDE = (f"org.apache.kafka:kafka-tools:{KAFKA}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
"""Taken without what they depend on: the console tools need none of it, and the log binding has it already."""


def kafka_coordinates(context: MavenContext) -> list[str]:
    inputs, others = context.resolver.resolve([context.create_dependency(_RESOLVED)])
    found = [f"{one.groupId}:{one.artifactId}:{one.version}" for one in (*inputs, *others)]
    return sorted({*found, *_BESIDE})


def line(coordinate: str, context: MavenContext) -> str:
    file = context.create_dependency(coordinate).artifact.resolve()
    return _line(coordinate, file)


def line_of_zip(group: str, artifact: str, version: str, context: MavenContext) -> str:
    file = context.project(group, artifact).at_version(version).artifact(packaging="zip").resolve()
    return _line(f"{group}:{artifact}:{version}:zip", file)


def _line(coordinate: str, file: Path) -> str:
    return f"{coordinate} {file.stat().st_size} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def main() -> None:
    with tempfile.TemporaryDirectory() as repository, certificates_of_the_system():
        context = MavenContext(repo_cache=Path(repository), timeout=60)
        lines = [f"[kafka-{KAFKA}]", *(line(one, context) for one in kafka_coordinates(context))]
        for platform in PLATFORMS:
            coordinate = f"io.zonky.test.postgres:embedded-postgres-binaries-{platform}:{POSTGRES}"
            lines += ["", f"[postgres-{POSTGRES}-{platform}]", line(coordinate, context)]
        keycloak = line_of_zip("org.keycloak", "keycloak-quarkus-dist", KEYCLOAK, context)
        lines += ["", f"[keycloak-{KEYCLOAK}]", keycloak]
    Path(__file__).with_name(LOCK).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
