"""Opens a ticket by Kafka: python report_issue.py acme other/lift-3 "Lift 3 makes a noise" """

import asyncio
import json
import os
import sys
import uuid

from aiokafka import AIOKafkaProducer

SERVERS = os.environ.get("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:19092")
TOPIC = os.environ.get("FETTLE_TOPIC_PREFIX", "fettle.") + "ticket.commands"


async def report(org: str, subject: str, title: str) -> None:
    kind, _, name = subject.partition("/")
    actor = {"type": "user", "id": "ann@acme.test", "name": "Ann"}
    data = {"org": org, "actor": actor, "title": title, "subject": {"type": kind, "id": name}}
    event = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),  # keep it when you send again: a command has one effect
        "ce_source": "acme/front-desk",
        "ce_type": "fettle.ticket.command.open.v1",
        "content-type": "application/json",
    }
    headers = [(name, value.encode()) for name, value in event.items()]
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all") as producer:
        await producer.send_and_wait(TOPIC, json.dumps(data).encode(), key=org.encode(), headers=headers)


asyncio.run(report(*sys.argv[1:]))
