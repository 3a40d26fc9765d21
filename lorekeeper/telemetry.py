"""Settings in; logs that people and machines can read, counters, and error ids, out. No message text at info."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import MutableMapping
from typing import Any

import structlog

from lorekeeper import redact

NOISY = ("httpx", "httpx2", "openai", "slack_bolt", "slack_sdk", "sentence_transformers", "bm25s")


def configure(*, debug: bool = False) -> None:
    """Pretty lines in a terminal, JSON otherwise; secrets never, wherever they stand."""
    level = logging.DEBUG if debug else logging.INFO
    terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    rendered: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, without_secrets, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def without_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: texts of the event with secrets replaced."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact.secrets(value)
    return event


def error_id() -> str:
    """A short id that a person can quote and an operator can find in the log."""
    return uuid.uuid4().hex[:8]
