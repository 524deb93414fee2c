"""The `fettle` command. Modules of commands import what is slow when a command runs, so that `--help` is quick."""

import os
import sys

import typer

from fettle_cli.commands import (
    access,
    audit,
    dlq,
    doctor,
    events,
    health,
    heartbeat,
    kafka_topics,
    members,
    simulate,
    tickets,
    up,
    workflows,
)
from fettle_cli.failures import CliError, UsageError

FAILED, WRONG_USE = 1, 2

app = typer.Typer(
    name="fettle",
    help="Turns the heartbeats of a device fleet into tickets that people can trust.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    access.orgs,
    access.tokens,
    members.app,
    heartbeat.app,
    tickets.app,
    health.app,
    workflows.app,
    events.app,
    dlq.app,
    kafka_topics.app,
):
    app.add_typer(group)
for command in (up.up, up.down, up.status, doctor.doctor, simulate.simulate, audit.audit):
    app.command()(command)


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    try:
        app(prog_name="fettle")
    except CliError as error:
        _end(error, FAILED)
    except UsageError as error:
        _end(error, WRONG_USE)
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(error: Exception, status: int) -> None:
    typer.echo(f"fettle: {error}", err=True)
    sys.exit(status)
