"""One log pipeline for structlog and the standard library: JSON lines on a pipe, readable lines on a terminal."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_QUIET = {
    "aiokafka": logging.WARNING,
    "aiokafka.cluster": logging.CRITICAL,
    "aiokafka.consumer.group_coordinator": logging.CRITICAL,
    "asyncio": logging.WARNING,
    "alembic": logging.WARNING,
    "faststream": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.ERROR,
}
"""Libraries that say too much: what they report below this level is normal life (a rebalance, a first group)."""


def configure_logging(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Routes every record of the process to `stream` (stdout), with time (UTC, ms), level, logger, service and bound
    context.

    Use `structlog.get_logger(__name__)`; the event is a dotted constant, the rest are fields:
    `log.info("ticket.opened", org=org, number=number)`. Calling it again replaces the configuration.
    """
    out = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Shape(service),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(out.isatty())],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _rendering(terminal: bool) -> list[Processor]:
    if terminal:
        return [structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


class _Shape:
    """The same fields first in every line; times cut to milliseconds, so that every time in Fettle looks alike."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        first = {
            "time": f"{event.pop('time')[:-4]}Z",
            "level": event.pop("level"),
            "service": self._service,
            "logger": event.pop("logger"),
            "event": event.pop("event"),
        }
        return {**first, **event}
