"""Which servers are wanted, and what a wrong wish is told."""

import gc
from pathlib import Path

import pytest

from fettle_devstack import DevstackError, DevstackSettings, Servers, chosen
from fettle_devstack.kafka import EmbeddedKafka
from fettle_devstack.postgres import EmbeddedPostgres
from fettle_devstack.servers import GivenKafka, GivenPostgres


def of(tmp_path: Path, **environ: str) -> Servers:
    return chosen(DevstackSettings.load({"FETTLE_HOME": str(tmp_path), "FETTLE_CACHE": str(tmp_path), **environ}))


@pytest.mark.rule("OP-1")
def test_without_settings_both_servers_are_our_own(tmp_path: Path) -> None:
    servers = of(tmp_path)
    assert isinstance(servers.kafka, EmbeddedKafka)
    assert isinstance(servers.postgres, EmbeddedPostgres)
    assert servers.ours
    assert (servers.kafka.bootstrap, servers.postgres.port) == ("127.0.0.1:19092", 15432)


@pytest.mark.rule("OP-1")
def test_a_server_that_settings_name_is_taken_and_the_other_is_our_own(tmp_path: Path) -> None:
    servers = of(tmp_path, FETTLE_KAFKA_BOOTSTRAP_SERVERS="broker:9092")
    assert isinstance(servers.kafka, GivenKafka)
    assert servers.kafka.bootstrap == "broker:9092"
    assert isinstance(servers.postgres, EmbeddedPostgres)
    assert not servers.ours


@pytest.mark.rule("OP-1")
@pytest.mark.parametrize("deed", ["kill", "pause", "resume"])
def test_a_given_server_is_never_hurt(tmp_path: Path, deed: str) -> None:
    servers = of(tmp_path, FETTLE_KAFKA_BOOTSTRAP_SERVERS="b:1", FETTLE_DATABASE_URL="postgresql://u@h:5432/")
    assert isinstance(servers.postgres, GivenPostgres)
    servers.start()
    servers.stop()
    assert servers.environment == {
        "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "b:1",
        "FETTLE_DATABASE_URL": "postgresql://u@h:5432",
    }
    with pytest.raises(DevstackError, match="not ours"):
        getattr(servers.kafka, deed)()


@pytest.mark.rule("OP-1")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the Docker client leaves its own behind
def test_containers_need_an_engine_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(DevstackError, match="no Docker engine answers"):
        of(tmp_path, FETTLE_DEVSTACK="docker")
    gc.collect()


@pytest.mark.rule("OP-2")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FETTLE_KAFKA_PORT", "http"),
        ("FETTLE_KAFKA_PORT", "0"),
        ("FETTLE_POSTGRES_PORT", "65536"),
        ("FETTLE_POSTGRES_PORT", "٣"),
        ("FETTLE_DEVSTACK", "podman"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(DevstackError, match=f"^{name} is {value!r}, not .*") as raised:
        DevstackSettings.load({name: value})
    assert "\n" not in str(raised.value)


def test_a_setting_that_is_empty_counts_as_not_set(tmp_path: Path) -> None:
    settings = DevstackSettings.load({"FETTLE_KAFKA_PORT": "", "FETTLE_DEVSTACK": "", "XDG_CACHE_HOME": str(tmp_path)})
    assert (settings.kafka_port, settings.engine) == (19092, "embedded")
    assert settings.cache == tmp_path / "fettle"
