"""The real servers: they keep what they were given, and nothing of them stays behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fettle_devstack import DevstackSettings, Progress, Servers, StartFailed, chosen, kafka_tool
from fettle_devstack.home import Home
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.kafka import EmbeddedKafka
from fettle_devstack.kafka_node import answers
from fettle_devstack.ports import free_port, is_free
from fettle_devstack.postgres import EmbeddedPostgres, memory, shared_buffers

TOPIC = "kept"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of servers on free ports in a home that, for root, PostgreSQL's account cannot enter."""
    (tmp_path / "home").mkdir(mode=0o700)
    return {
        "FETTLE_HOME": str(tmp_path / "home"),
        "FETTLE_KAFKA_PORT": str(free_port()),
        "FETTLE_POSTGRES_PORT": str(free_port()),
    }


@pytest.fixture(autouse=True)
def erased(settings: Mapping[str, str]) -> Iterator[None]:
    """Also what root's PostgreSQL kept elsewhere goes."""
    yield
    Home(Path(settings["FETTLE_HOME"])).erase()


class Foreground:
    """`python -m fettle_devstack` as somebody runs it in a terminal."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fettle_devstack"],
            env={**inherited, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.words: dict[str, str] = {}

    def wait_up(self) -> None:
        assert self.process.stdout is not None
        for _ in range(2):
            name, _, value = self.process.stdout.readline().strip().partition("=")
            self.words[name] = value
        assert set(self.words) == {"FETTLE_KAFKA_BOOTSTRAP_SERVERS", "FETTLE_DATABASE_URL"}

    def addresses(self) -> tuple[str, str]:
        return self.words["FETTLE_KAFKA_BOOTSTRAP_SERVERS"], self.words["FETTLE_DATABASE_URL"]

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def wait_all_gone(settings: Mapping[str, str]) -> None:
    """The home is free when the last leash is gone, and a leash goes after its server."""
    home = Home(Path(settings["FETTLE_HOME"]))
    home.take()
    home.release()
    assert is_free(int(settings["FETTLE_KAFKA_PORT"]))
    assert is_free(int(settings["FETTLE_POSTGRES_PORT"]))


async def keep(kafka: str, postgres: str, text: str) -> None:
    connection = await asyncpg.connect(f"{postgres}/postgres")
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
    await connection.execute("INSERT INTO kept VALUES ($1)", text)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    if TOPIC not in await admin.list_topics():
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        await producer.send_and_wait(TOPIC, text.encode())


async def kept(kafka: str, postgres: str) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(f"{postgres}/postgres")
    rows = [row["text"] for row in await connection.fetch("SELECT text FROM kept")]
    await connection.close()
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        records = [(await asyncio.wait_for(consumer.getone(), 60)).value.decode() for _ in rows]
    return rows, records


@pytest.mark.slow
@pytest.mark.rule("OP-7", "OP-8", "OP-10")
async def test_however_a_run_ends_nothing_runs_on_and_nothing_is_lost(settings: dict[str, str]) -> None:
    texts: list[str] = []
    for number, ending in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 0), (signal.SIGTERM, 0)):
        run = Foreground(settings)
        run.wait_up()
        texts.append(f"kept over {number.name}")
        await keep(*run.addresses(), texts[-1])
        assert await kept(*run.addresses()) == (texts, texts)
        assert run.end(number) == (ending, "")
    wait_all_gone(settings)


@pytest.mark.rule("OP-7")
@pytest.mark.parametrize("moment_s", [0.3, 1.2])
def test_an_end_while_the_servers_are_starting_leaves_nothing_either(settings: dict[str, str], moment_s: float) -> None:
    run, lock = Foreground(settings), Path(settings["FETTLE_HOME"]) / "servers.lock"
    while not lock.exists():  # what ends an interpreter that has hardly begun is none of ours
        time.sleep(0.01)
    try:
        run.process.wait(moment_s)
    except subprocess.TimeoutExpired:
        status, errors = run.end(signal.SIGINT)
    assert status in (0, -signal.SIGINT), errors
    wait_all_gone(settings)


@pytest.mark.rule("OP-2")
@pytest.mark.parametrize(("server", "name"), [("Kafka", "FETTLE_KAFKA_PORT"), ("Postgres", "FETTLE_POSTGRES_PORT")])
def test_a_taken_port_is_named_with_its_setting(settings: dict[str, str], server: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", int(settings[name]))):
        run = Foreground(settings)
        output, errors = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert output == ""
    assert errors.splitlines()[-1] == (
        f"fettle: Port {settings[name]} for {server} is taken on 127.0.0.1. Set {name} to a free port."
    )
    wait_all_gone(settings)


@pytest.mark.rule("OP-9")
def test_a_second_home_runs_beside_the_first(settings: dict[str, str], servers: Servers, tmp_path: Path) -> None:
    beside = chosen(DevstackSettings.load(settings), Progress())
    try:
        beside.start()
        assert beside.kafka.bootstrap != servers.kafka.bootstrap
        assert asyncio.run(identity(beside.postgres.url)) != asyncio.run(identity(servers.postgres.url))
    finally:
        beside.stop()


async def identity(url: str) -> int:
    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        found: int = await connection.fetchval("SELECT system_identifier FROM pg_control_system()")
        return found
    finally:
        await connection.close()


@pytest.mark.rule("OP-11")
def test_one_server_can_be_stopped_and_killed_and_comes_back(own_servers: Servers) -> None:
    both = own_servers.kafka.bootstrap, own_servers.postgres.url
    asyncio.run(keep(*both, "one"))
    for server in (own_servers.kafka, own_servers.postgres):
        server.stop()
        assert is_free(port_of(server))
        server.start()
        server.start()
        server.kill()
        assert is_free(port_of(server))
        server.start()
    asyncio.run(keep(*both, "two"))
    assert asyncio.run(kept(*both)) == (["one", "two"], ["one", "two"])


def port_of(server: object) -> int:
    assert isinstance(server, (EmbeddedKafka, EmbeddedPostgres))
    return server.port


@pytest.mark.rule("OP-11")
def test_a_server_can_hang_and_go_on(own_servers: Servers) -> None:
    port = port_of(own_servers.kafka)
    own_servers.kafka.pause()
    assert not answers(port)
    assert not is_free(port)
    own_servers.kafka.resume()
    assert answers(port)


@pytest.mark.rule("OP-11")
async def test_whoever_is_connected_to_postgres_waits_while_it_hangs(own_servers: Servers) -> None:
    connection = await asyncpg.connect(f"{own_servers.postgres.url}/postgres")
    try:
        own_servers.postgres.pause()
        answer = asyncio.create_task(connection.fetchval("SELECT 1"))
        assert (await asyncio.wait({answer}, timeout=0.5))[1] == {answer}
        own_servers.postgres.resume()
        assert await answer == 1
    finally:
        connection.terminate()


@pytest.mark.rule("OP-11")
def test_a_hanging_server_can_be_stopped(own_servers: Servers) -> None:
    for server in (own_servers.kafka, own_servers.postgres):
        server.pause()
        server.stop()
        assert is_free(port_of(server))
        server.start()


@pytest.mark.rule("OP-12")
def test_a_server_that_does_not_come_up_is_named_with_its_log(settings: dict[str, str]) -> None:
    servers = chosen(DevstackSettings.load(settings), Progress())
    assert isinstance(servers.postgres, EmbeddedPostgres)
    servers.postgres.start()
    servers.postgres.stop()
    folder = Path(settings["FETTLE_HOME"]) / "postgres" / "data"
    (folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(
        StartFailed, match=r"Postgres ended before it answered; its log is .*postgres\.log:\n(.*\n)*.*12"
    ):
        servers.postgres.start()
    assert is_free(servers.postgres.port)
    servers.home.release()


def test_servers_are_what_they_are_said_to_be(servers: Servers) -> None:
    async def told() -> tuple[str, str, str, str]:
        connection = await asyncpg.connect(f"{servers.postgres.url}/postgres")
        version = await connection.fetchval("SHOW server_version_num")
        fsync, commit = await connection.fetchval("SHOW fsync"), await connection.fetchval("SHOW synchronous_commit")
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        await connection.close()
        return version[:2], fsync, commit, servers.kafka.bootstrap

    assert asyncio.run(told()) == ("18", "on", "on", servers.kafka.bootstrap)


def test_kafkas_own_tools_run(servers: Servers) -> None:
    version = [*kafka_tool("org.apache.kafka.tools.ConsoleProducer"), "--version"]
    done = subprocess.run(version, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("4.3.")


async def test_a_test_s_installation_leaves_nothing_behind(servers: Servers) -> None:
    mine, other = isolated(servers), isolated(servers)
    assert not {value for value in mine.values() if value in other.values()} - {*servers.environment.values(), *COMMON}
    marks = [settings["FETTLE_TOPIC_PREFIX"].rstrip(".") for settings in (mine, other)]
    for settings in (mine, other):
        await make(servers, settings)
    await until(servers, lambda names: all(f"{mark}.device.heartbeats" in names for mark in marks))
    await asyncio.to_thread(discard, servers, mine)
    await until(servers, lambda names: not any(name.startswith(marks[0]) for name in names))
    databases, topics = await there(servers)
    assert other["FETTLE_TOPIC_PREFIX"] + "device.heartbeats" in topics
    assert other["FETTLE_TICKETS_DATABASE_URL"].rpartition("/")[2] in databases
    await asyncio.to_thread(discard, servers, other)


COMMON = {"1", "2", "127.0.0.1"}


async def make(servers: Servers, settings: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(f"{servers.postgres.url}/postgres")
    await connection.execute(f'CREATE DATABASE "{settings["FETTLE_TICKETS_DATABASE_URL"].rpartition("/")[2]}"')
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(settings["FETTLE_TOPIC_PREFIX"] + "device.heartbeats", 1, 1)])
    await admin.close()


async def until(servers: Servers, holds: Callable[[Sequence[str]], bool]) -> None:
    """A broker lists topics by what its controller has told it by then, a moment behind what it was asked to do."""
    async with asyncio.timeout(30.0):
        while not holds([name for names in await there(servers) for name in names]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def there(servers: Servers) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(f"{servers.postgres.url}/postgres")
    databases = [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.bootstrap)
    await admin.start()
    topics = await admin.list_topics()
    await admin.close()
    return databases, topics


@pytest.mark.rule("OP-111")
@pytest.mark.parametrize(("memory_gib", "kept"), [(0.5, "128MB"), (8, "1024MB"), (24, "2048MB")])
def test_postgres_keeps_pages_in_an_eighth_of_the_memory(memory_gib: float, kept: str) -> None:
    assert shared_buffers(int(memory_gib * 2**30)) == kept


@pytest.mark.rule("OP-111")
async def test_the_server_has_the_room_that_this_machine_allows(own_servers: Servers) -> None:
    connection = await asyncpg.connect(f"{own_servers.postgres.url}/postgres")
    try:
        asked = "SELECT pg_size_bytes(current_setting('shared_buffers')) = pg_size_bytes($1)"
        assert await connection.fetchval(asked, shared_buffers(memory()))
    finally:
        await connection.close()


@pytest.mark.rule("OP-111")
def test_a_containers_limit_counts_where_it_is_less(tmp_path: Path) -> None:
    machine, limit = memory(tmp_path / "none"), tmp_path / "memory.max"
    for said, found in (("max\n", machine), (f"{2**29}\n", 2**29), (f"{machine * 2}\n", machine)):
        limit.write_text(said)
        assert memory(limit) == found
