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
        "specversion": "1.0",
        "id": str(uuid.uuid4()),  # keep it when you send again: a command has one effect
        "source": "acme/front-desk",
        "type": "fettle.ticket.command.open.v1",
        "data": data,
    }
    headers = [("content-type", b"application/cloudevents+json")]
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all") as producer:
        await producer.send_and_wait(TOPIC, json.dumps(event).encode(), key=org.encode(), headers=headers)


asyncio.run(report(*sys.argv[1:]))
