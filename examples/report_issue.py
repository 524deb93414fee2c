"""Opens a ticket: python report_issue.py acme call-4711 "Lift 3 makes a noise". The same call again has no effect."""

import json
import sys
from os import environ

from confluent_kafka import Producer

org, call, title = sys.argv[1:]
data = {"org": org, "actor": {"type": "user", "id": "ann"}, "title": title, "subject": {"type": "other", "id": "lift"}}
headers = {"ce_specversion": "1.0", "ce_id": call, "ce_source": "desk", "ce_type": "fettle.ticket.command.open.v1"}
producer = Producer({"bootstrap.servers": environ["FETTLE_KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random"})
producer.produce(environ["FETTLE_TOPIC_PREFIX"] + "ticket.commands", json.dumps(data), org, headers=headers)
sys.exit(producer.flush(30))
