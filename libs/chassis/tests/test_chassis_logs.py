"""One pipeline: our lines and those of libraries look alike, as JSON on a pipe and as text on a terminal."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from fettle_chassis.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    configure_logging("test")


def speak() -> None:
    structlog.get_logger("fettle.echo").info("echo.heard", org="æ", number=3)
    logging.getLogger("library").warning("hello %s", "there")
    logging.getLogger("aiokafka.consumer.group_coordinator").error("normal life")
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError:
        structlog.get_logger("fettle.echo").exception("echo.failed")


@pytest.mark.rule("OP-46")
def test_lines_on_a_pipe_are_json() -> None:
    out = io.StringIO()
    configure_logging("echo", stream=out)
    speak()
    ours, theirs, failed = (json.loads(line) for line in out.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours.pop("time"))
    assert ours == {
        "level": "info",
        "service": "echo",
        "logger": "fettle.echo",
        "event": "echo.heard",
        "org": "æ",
        "number": 3,
    }
    assert (theirs["level"], theirs["logger"], theirs["event"]) == ("warning", "library", "hello there")
    assert "ZeroDivisionError: oops" in failed["exception"]


@pytest.mark.rule("OP-46")
def test_lines_on_a_terminal_are_for_people() -> None:
    out = Terminal()
    configure_logging("echo", stream=out)
    speak()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "echo.heard" in plain
    assert "number=3" in plain
    assert "hello there" in plain
    assert "{" not in plain.splitlines()[0]
