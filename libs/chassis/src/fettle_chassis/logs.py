"""One log pipeline for structlog and the standard library: JSON lines on a pipe, readable lines on a terminal."""


def configure_logging(service: str, *, level: str = "INFO") -> None:
    """Routes every record of the process to stdout, with time (UTC, ms), level, logger, service and bound context.

    Use `structlog.get_logger(__name__)`; the event is a dotted constant, the rest are fields:
    `log.info("ticket.opened", org=org, number=number)`. Calling it again replaces the configuration.
    """
    raise NotImplementedError
