"""`fettle simulate`: a fleet that never was."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Org
from fettle_cli.output import say, warn

if TYPE_CHECKING:
    from fettle_chassis.settings import ServiceSettings
    from fettle_cli.simulator.publisher import Sent
    from fettle_cli.simulator.scenario import Scenario

REPORT_EVERY_S = 30.0


def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of one that comes along.")] = "demo",
    devices: Annotated[int | None, typer.Option(min=1, help="How many devices.")] = None,
    integrations: Annotated[int | None, typer.Option(min=1, help="How many integrations they report through.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Heartbeats a second, whatever the interval.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed is another day.")] = None,
    for_s: Annotated[float | None, typer.Option("--for", min=0.1, help="Stop after so many seconds.")] = None,
    org: Org = None,
) -> None:
    """Publish the heartbeats of a simulated fleet with faults, until Ctrl-C."""
    from fettle_cli import kafka
    from fettle_cli.simulator.scenario import ScenarioError, load_scenario

    here = Installation.here()
    try:
        loaded = load_scenario(scenario)
    except ScenarioError as error:
        raise CliError(str(error)) from None
    given = {"devices": devices, "integrations": integrations, "seed": seed, "org": org}
    played = loaded.model_copy(update={name: value for name, value in given.items() if value is not None})
    played = played.at_rate(rate) if rate is not None else played
    settings = kafka.kafka_settings(here)
    say(
        f"{played.devices} devices over {played.integrations} integrations of {played.org}: "
        f"{played.rate:.1f} heartbeats a second, seed {played.seed}"
    )
    try:
        sent = kafka.run(settings, _play(settings, played, for_s))
    except KeyboardInterrupt:
        return
    say(f"{sent.beats} heartbeats sent, {sent.lost} lost")


async def _play(settings: "ServiceSettings", scenario: "Scenario", for_s: float | None) -> "Sent":
    from fettle_cli import kafka
    from fettle_cli.simulator.heartbeats import Simulation
    from fettle_cli.simulator.publisher import publish
    from fettle_contracts.topics import HEARTBEATS

    told_s, lost = 0.0, 0

    def tell(at_s: float, sent: "Sent") -> None:
        nonlocal told_s, lost
        if at_s - told_s >= REPORT_EVERY_S:
            told_s = at_s
            say(f"{at_s:.0f} s: {sent.beats} heartbeats sent, {sent.lost} lost")
            if sent.lost > lost:
                lost = sent.lost
                warn("Heartbeats were lost: Kafka was away, or this machine is too slow for the rate.")

    simulation = Simulation(scenario, datetime.now(UTC))
    async with kafka.producer(settings) as producer:
        return await publish(simulation, producer, settings.topic(HEARTBEATS), until_s=for_s, told=tell)
