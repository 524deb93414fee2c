"""A node's files, and what is prepared once so that it starts quickly."""

import io
from pathlib import Path

import pytest

from fettle_devstack import DevstackSettings, Progress, java
from fettle_devstack.kafka import jars
from fettle_devstack.kafka_node import Node
from fettle_devstack.kafka_preparation import formatted, prepared
from fettle_devstack.ports import free_port


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "formatted"
    folder.mkdir()
    (folder / "meta.properties").write_text("#\n#Tue\ncluster.id=a\ndirectory.id=b\nnode.id=1\nversion=1\n")
    (folder / "bootstrap.checkpoint").write_bytes(b"\x00features")
    return folder


def node(folder: Path, jar_folder: Path) -> Node:
    return Node(folder, free_port(), free_port(), jar_folder)


@pytest.mark.rule("OP-9")
def test_nodes_made_alike_have_identities_of_their_own(template: Path, tmp_path: Path) -> None:
    metas: list[dict[str, str]] = []
    for name in ("one", "two"):
        made = node(tmp_path / name, tmp_path)
        made.format_like(template)
        assert (made.data / "bootstrap.checkpoint").read_bytes() == b"\x00features"
        metas.append(dict(line.split("=") for line in (made.data / "meta.properties").read_text().splitlines()))
    one, two = metas
    assert (one["node.id"], one["version"]) == ("1", "1")
    ids = [one["cluster.id"], one["directory.id"], two["cluster.id"], two["directory.id"]]
    assert len({*ids, "a", "b"}) == 6
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


def test_half_a_format_is_done_again(template: Path, tmp_path: Path) -> None:
    made = node(tmp_path / "one", tmp_path)
    assert made.is_formatted is False
    made.data.with_suffix(".half").mkdir()
    made.format_like(template)
    assert node(tmp_path / "one", tmp_path).is_formatted


@pytest.mark.slow
def test_without_an_archive_kafka_starts_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "recording", lambda _: ("-XX:+NoSuchFlag",))
    out = io.StringIO()
    entry = prepared(tmp_path, jars(DevstackSettings.load(), Progress()), Progress(out))
    assert "not prepared, Kafka starts more slowly: Kafka did not answer" in out.getvalue()
    assert (formatted(entry) / "bootstrap.checkpoint").exists()
    assert java.replaying(entry) == ()


def test_what_was_prepared_is_used() -> None:
    settings = DevstackSettings.load()
    entry = prepared(settings.cache, jars(settings, Progress()), Progress())
    assert java.replaying(entry)[0] == f"-XX:AOTCache={entry / 'classes.aot'}"
