"""The judge process: everything it is made of, in the order in which it starts."""

from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.service import Part, Service
from fettle_chassis.signing import Signer, Verifier
from fettle_chassis.slots import Slot
from fettle_chassis.topics import Topics
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_health_monitor.adapters.judge.bare_records import bare, offer_bare_records
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints
from fettle_health_monitor.adapters.judge.control_records import SignedReader, SignedWriter
from fettle_health_monitor.adapters.judge.dead_letters import HeartbeatDeadLetters
from fettle_health_monitor.adapters.judge.heartbeat_log import HeartbeatLog
from fettle_health_monitor.adapters.judge.ordered_writer import OrderedWriter
from fettle_health_monitor.entrypoints.judge import judge_routes
from fettle_health_monitor.judge.journal import Clocks, Journal, JournalPart
from fettle_health_monitor.judge.measuring import Measuring
from fettle_health_monitor.judge.opening import Opening
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.judge.owner import Owner
from fettle_health_monitor.judge.pulses import Pulses
from fettle_health_monitor.judge.saving import Saving, SavingLoop
from fettle_health_monitor.judge.setting_aside import SettingAside
from fettle_health_monitor.settings import HealthSettings

NAME = "health-judge"
PACKAGE = "fettle_health_monitor"
_NOTICED_WITHIN_MS = 5_000
"""How soon the group notices that the topic is gone, or there again."""


_MOST_BYTES_UNDER_WAY = 256 * 1024
"""One batch per partition is acknowledged at a time: small ones would make a storm wait for as many answers."""


def build_judge(settings: HealthSettings) -> Service:
    service = Service(NAME)
    shards = Shards()
    app = http_app(service, settings, title="Fettle health judge")
    app.include_router(judge_routes(shards))
    service.add(*judge_parts(settings, shards), HttpServer(app, settings.http_host, settings.judge_port))
    return service


def judge_parts(settings: HealthSettings, shards: Shards) -> list[Part]:
    """All but the HTTP server."""
    topic = settings.topic(HEARTBEATS)
    address = f"http://{settings.http_host}:{settings.judge_port}"
    signer, verifier = Signer(settings.signing_keys), Verifier(settings.signing_keys)

    database = Database(settings.database_dsn("health"), pool_size=4)
    topics = Topics(settings, HEARTBEATS, JUDGEMENTS)
    slot = Slot(NAME, settings, database)
    heartbeats = HeartbeatLog(settings, HEARTBEATS)
    dead_letters = HeartbeatDeadLetters(DeadLetters(settings, NAME))
    checkpoints = Checkpoints(database, address)

    def producer(purpose: str, **options: Any) -> AIOKafkaProducer:
        return build_producer(settings, client_id=f"{slot.instance_id}-{purpose}", **options)

    writer = OrderedWriter(
        settings.topic(JUDGEMENTS), lambda: producer("journal", max_batch_size=_MOST_BYTES_UNDER_WAY)
    )
    journal = Journal(writer, address)
    pulses = Pulses(
        shards, SignedWriter(signer, topic), owner=str(uuid4()), build=lambda: producer("pulses", idempotent=False)
    )
    saving = Saving(checkpoints, heartbeats, writer)
    saving_loop = SavingLoop(shards, saving, settings.checkpoint_every_s)
    offer_bare_records()
    owner = Owner(
        topic=topic,
        build=lambda: build_consumer(
            settings,
            client_id=slot.instance_id,
            group=settings.group(NAME),
            instance_id=slot.instance_id,
            auto_offset_reset="none",
            key_deserializer=bare,
            metadata_max_age_ms=_NOTICED_WITHIN_MS,
        ),
        control_of=lambda partition: SignedReader(verifier, topic, partition),
        shards=shards,
        opening=Opening(checkpoints, heartbeats, saving),
        saving=saving,
        saving_loop=saving_loop,
        journal=journal,
        pulses=pulses,
        dead_letters=dead_letters,
        setting_aside=SettingAside(database, dead_letters, pulses),
    )
    return [
        DatabasePart(database, PACKAGE),
        topics,
        slot,
        heartbeats,
        dead_letters,
        JournalPart(writer, lambda: topics.partitions(JUDGEMENTS)),
        pulses,
        owner,
        Clocks(shards, journal),
        Measuring(shards),
        saving_loop,
    ]
