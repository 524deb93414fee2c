"""Holds a picture of all tickets of an org, whenever it is started: python late_subscriber.py

First it marks where `ticket.events` ends, then it reads an export, then all events from the mark on. What changed in
between comes twice, and a repeat may come late: a ticket's `version` tells what is news. Prints a line for each news.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer

from fettle_client import AsyncFettle

URL, ORG = os.environ.get("FETTLE_URL", "http://127.0.0.1:8080"), os.environ["FETTLE_ORG"]
SERVERS = os.environ.get("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:19092")
TOPIC = os.environ.get("FETTLE_TOPIC_PREFIX", "fettle.") + "ticket.events"

picture: dict[str, Mapping[str, Any]] = {}


def see(ticket: Mapping[str, Any]) -> None:
    held = picture.get(ticket["id"])
    if held is None or held["version"] < ticket["version"]:
        picture[ticket["id"]] = ticket
        print(f"#{ticket['number']} {ticket['state']} version {ticket['version']}", flush=True)


async def follow() -> None:
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=SERVERS, group_id=None) as consumer:
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        async with AsyncFettle(URL, os.environ["FETTLE_TOKEN"], ORG) as fettle:
            async for ticket in fettle.export_tickets():
                see(ticket)
        async for record in consumer:
            event = json.loads(record.value)
            if event["org"] == ORG:
                see(event["ticket"])


asyncio.run(follow())
