"""Logs: for people on a terminal, JSON elsewhere, always on standard error; nothing sensitive is ever given to them."""

from __future__ import annotations

import logging
import sys

import structlog


class _ToOurs(logging.Handler):
    """What a library logs, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Passes a record on."""
        exc_info = record.exc_info if record.exc_info and record.exc_info[0] is not None else None
        structlog.get_logger().log(
            record.levelno, "library", source=record.name, said=record.getMessage(), exc_info=exc_info
        )


def take_in_library_logs() -> None:
    """Afterwards warnings of libraries are among our own logs."""
    logging.basicConfig(level=logging.WARNING, handlers=[_ToOurs()], force=True)
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.ERROR)  # it warns of every rebalance


def hush(library: str) -> None:
    """Afterwards nothing of this library is logged: its user says the same once, and in our words."""
    logging.getLogger(library).setLevel(logging.CRITICAL + 1)


def configure_logs(*, quiet: bool = False) -> None:
    """Afterwards structlog writes to standard error: warnings and worse where `quiet`, else everything from info on."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
