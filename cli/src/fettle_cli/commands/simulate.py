"""`fettle simulate`: a fleet that never was."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json, warn

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
    as_json: Json = False,
) -> None:
    """Publish the heartbeats of a simulated fleet with faults, until Ctrl-C; then say what became of its org's
    verdicts: exit status 1 when they do not add up."""
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
    report = _Report(as_json)
    report.began(played)
    with suppress(KeyboardInterrupt):
        kafka.run(settings, _play(settings, played, for_s, report))
    report.ended()
    _add_up(here, played.org, as_json)


def _add_up(here: Installation, org: str, as_json: bool) -> None:
    """Raises CliError when what was called for has not come to as many ends."""
    from fettle_cli.simulator.books import read_books

    try:
        books = read_books(here, org)
    except CliError as unread:
        warn(f"What became of verdicts was not looked at: {unread}.")
        return
    if as_json:
        show_json({"event": "books", "org": org, **books.shown()})
    else:
        for hour in books.hours:
            say(f"{org}, {hour.words}")
        say(f"{'All verdicts are' if books.adds_up else 'Not all verdicts are'} accounted for, a minute ago at most.")
    if not books.adds_up:
        raise CliError(f"verdicts do not add up to outcomes, {books.unaccounted} are unaccounted for")


async def _play(settings: "ServiceSettings", scenario: "Scenario", for_s: float | None, report: "_Report") -> None:
    from fettle_chassis.stored_records import producing
    from fettle_cli import kafka
    from fettle_cli.simulator.heartbeats import Simulation
    from fettle_cli.simulator.publisher import publish
    from fettle_contracts.topics import HEARTBEATS

    simulation = Simulation(scenario, datetime.now(UTC))
    async with producing(settings, kafka.CLIENT) as producer:
        await publish(simulation, producer, settings.topic(HEARTBEATS), until_s=for_s, told=report.went_on)


class _Report:
    """What the simulation says of itself: at its begin, now and then, and at its end. As JSON each is an object."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._at_s = self._said_s = 0.0
        self._sent: Sent | None = None
        self._lost = 0

    def began(self, scenario: "Scenario") -> None:
        if self._as_json:
            fleet = scenario.model_dump(mode="json", include={"org", "seed", "devices", "integrations", "interval_s"})
            show_json({"event": "began", **fleet, "rate": scenario.rate})
            return
        say(
            f"{scenario.devices} devices over {scenario.integrations} integrations of {scenario.org}: "
            f"{scenario.rate:.1f} heartbeats a second, seed {scenario.seed}"
        )

    def went_on(self, at_s: float, sent: "Sent") -> None:
        """`sent` is counted on after this call, and after the last one."""
        self._at_s, self._sent = at_s, sent
        if at_s - self._said_s < REPORT_EVERY_S:
            return
        self._said_s = at_s
        self._say("going_on", f"{at_s:.0f} s: ")
        if sent.lost > self._lost:
            self._lost = sent.lost
            warn("Heartbeats were lost: Kafka was away, or this machine is too slow for the rate.")

    def ended(self) -> None:
        self._say("ended", "")

    def _say(self, event: str, begin: str) -> None:
        sent, lost = (self._sent.beats, self._sent.lost) if self._sent else (0, 0)
        if self._as_json:
            show_json({"event": event, "at_s": round(self._at_s, 1), "sent": sent, "lost": lost})
        else:
            say(f"{begin}{sent} heartbeats sent, {lost} lost")
