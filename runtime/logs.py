"""Logs: one JSON object a line on standard error, with what is being worked on (request, provider, job) beside it."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import Processor

from runtime.settings import Settings

# What must never be read in a log, whatever somebody passes along.
SECRET_WORDS = ("authorization", "secret", "password", "token", "api_key", "cookie", "credentials")


def configure(settings: Settings) -> None:
    """Send every logger of the process, our own and the libraries', through one formatter."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secrets,
    ]
    text = settings.log_format == "text"
    last: Processor = structlog.dev.ConsoleRenderer(colors=False) if text else structlog.processors.JSONRenderer()
    exceptions: list[Processor] = [] if text else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("httpx", "httpcore", "rq", "rq.worker", "alembic", "stripe"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def bind(**values: str) -> None:
    """Say what this thread works on from now on: `bind(request_id=…)`."""
    structlog.contextvars.bind_contextvars(**values)


def unbind() -> None:
    """Forget what this thread worked on."""
    structlog.contextvars.clear_contextvars()


def _without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name != "event" and _is_secret(name):
            event[name] = "[hidden]"
    return event


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)
