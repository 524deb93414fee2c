"""Reports that devices are well: python heartbeats.py acme/device/t17 acme/device/t18"""

import asyncio
import os
import sys

from aiokafka import AIOKafkaProducer

SERVERS = os.environ.get("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:19092")
TOPIC = os.environ.get("FETTLE_TOPIC_PREFIX", "fettle.") + "device.heartbeats"


async def report(keys: list[str]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all") as producer:
        for key in keys:
            await producer.send_and_wait(TOPIC, b'{"status":"ok","interval_s":60}', key=key.encode())


asyncio.run(report(sys.argv[1:]))
