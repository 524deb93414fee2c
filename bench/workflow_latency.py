"""How long does it take from an event at the broker to its command at the broker, at 100 events a second?

Each event starts a run whose first node comments on the ticket; somebody on Kafka answers in the ticket service's
place, so that as many runs come to their end. Broker time of the command minus broker time of the event. The engine
has just started: its first seconds have a figure of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import io

from bench.report import Figure, report
from bench.ticket_latency import broker_times, percentile, send_steadily
from bench.tickets.traffic import ORGS, producer
from bench.workflows import events
from bench.workflows.documents import ANSWERED, save
from bench.workflows.processes import all_done, engine, installation
from bench.workflows.responder import Responder
from fettle_chassis.logs import configure_logging
from fettle_workflow_engine.settings import WorkflowSettings


def measure(plan: argparse.Namespace) -> list[int]:
    """Milliseconds that each command took, in the order of their events."""
    total = plan.rate * (plan.warm_up + plan.seconds)
    configure_logging("bench", stream=io.StringIO())  # fifty saves are no news
    with installation() as environment:
        settings = WorkflowSettings.load(environment)
        asyncio.run(save(settings, ((org, ANSWERED) for org in ORGS)))
        responder = Responder(settings)
        responder.start()
        with engine(environment):
            topic, client = settings.topic(events.OPENED), producer(settings.kafka_bootstrap_servers)
            send_steadily(client, topic, events.opened(total, ORGS), plan.rate)
            asyncio.run(all_done(settings, total))
        responder.stop()
        happened = broker_times(settings, events.OPENED, "ce_id", total)
    given = {dict(one.headers)["ce_causationid"].decode(): one.at for one in responder.given.values()}
    return [given[id] - happened[id] for id in sorted(happened, key=happened.__getitem__)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3, help="seconds before that, counted apart")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    p50: list[float] = []
    p99: list[float] = []
    cold: list[float] = []
    for repeat in range(asked.repeats):
        all_took = measure(asked)
        first, took = all_took[: asked.rate * asked.warm_up], all_took[asked.rate * asked.warm_up :]
        cold.append(percentile(first, 0.99))
        p50.append(percentile(took, 0.5))
        p99.append(percentile(took, 0.99))
        print(
            f"repeat {repeat + 1}: p50 {p50[-1]:.0f} ms, p99 {p99[-1]:.0f} ms, at first {cold[-1]:.0f} ms", flush=True
        )
    details = {"rate": asked.rate, "seconds": asked.seconds}
    figures = [
        Figure("p50", "ms", p50, better="lower", details=details),
        Figure("p99", "ms", p99, better="lower", bound="≤ 75", details=details),
        Figure(f"p99 of the first {asked.warm_up} s", "ms", cold, better="lower", details=details),
    ]
    report(f"From the event at the broker to its command at the broker, at {asked.rate}/s", figures, "workflow_latency")
    return 0 if figures[1].worst <= 75 else 1


if __name__ == "__main__":
    raise SystemExit(main())
