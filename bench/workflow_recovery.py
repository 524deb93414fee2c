"""How soon do 10,000 runs go on when the engine was killed with all of them in flight?

Each waits for the result of its command when the engine is killed (SIGKILL). The results come while nobody is there;
counted is from the start of the next engine's process until every run has ended, what it takes to be ready included.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import time

from bench.report import Figure, report
from bench.tickets.processes import wait_ready
from bench.tickets.traffic import ORGS, producer, send
from bench.workflows import events
from bench.workflows.documents import ANSWERED, save
from bench.workflows.processes import all_done, emptied, engine, installation, launch, ready_address
from bench.workflows.responder import Responder
from fettle_chassis.logs import configure_logging
from fettle_workflow_engine.settings import WorkflowSettings

WAITS_AT_MOST_S = 120.0


def recovery(environment: dict[str, str], runs: int, first: int) -> tuple[float, float]:
    """Seconds from the start until the engine was ready, and until all runs had ended."""
    settings = WorkflowSettings.load(environment)
    asyncio.run(emptied(settings))
    asyncio.run(save(settings, ((org, ANSWERED) for org in ORGS)))
    send(producer(settings.kafka_bootstrap_servers), settings.topic(events.OPENED), events.opened(runs, ORGS, first))
    responder = Responder(settings, withholds=True)
    responder.start()
    with engine(environment) as killed:
        until = time.monotonic() + WAITS_AT_MOST_S
        while len(responder.given) < runs:
            if time.monotonic() > until:
                raise RuntimeError(f"only {len(responder.given)} of {runs} runs have come to their command")
            time.sleep(0.1)
        killed.kill()
        killed.wait(30)
    responder.release()
    begun = time.time()
    process = launch(environment)
    try:
        wait_ready(ready_address(environment))
        ready = time.time()
        _, ended = asyncio.run(all_done(settings, runs))
    finally:
        process.terminate()
        process.wait(30)
        responder.stop()
    return ready - begun, ended - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    found = []
    configure_logging("bench", stream=io.StringIO())  # fifty saves are no news
    with installation() as environment:
        for repeat in range(asked.repeats):
            found.append(recovery(environment, asked.runs, repeat * asked.runs))
            ready, ended = found[-1]
            print(f"repeat {repeat + 1}: ready after {ready:.1f} s, all ended after {ended:.1f} s", flush=True)
    details = {"runs": asked.runs}
    figures = [
        Figure("all have gone on", "s", [ended for _, ended in found], better="lower", bound="≤ 10", details=details),
        Figure("ready", "s", [ready for ready, _ in found], better="lower", details=details),
    ]
    report("From the start of the next engine, behind a kill", figures, "workflow_recovery")
    return 0 if figures[0].worst <= 10 else 1


if __name__ == "__main__":
    raise SystemExit(main())
