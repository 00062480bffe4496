"""Logging: one line of JSON per event on stderr, by structlog.

Logs contain no content of mail, no paths, no keys and no tokens; addresses are masked.
"""

import logging
import re
import sys
from typing import Any

import structlog
from django.db import Error as DatabaseError

# Each login would produce four lines, HTTP client libraries log requests, which contain mail and our keys, and Celery
# two lines for each periodic task, also when there is nothing to do.
WARNINGS_ONLY = (
    "axes",
    "boto3",
    "botocore",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.strategy",
    "httpcore",
    "requests",
    "urllib3",
)
# Django tells the path of each request that fails, and the host that it asked for; our own lines tell its route.
WITH_PATHS = "django.request"
WITH_HOSTS = "django.security"
# What may be in texts of others: exceptions, replies of servers.
MASKS = (
    (re.compile(r"[^\s@\"'<>(){}\[\],;:=]+@(?=[\w-]+(?:\.[\w-]+)+)"), "***@"),
    (re.compile(r"\b(es_(?:live|test)_[A-Za-z0-9]{8})[A-Za-z0-9]+"), r"\1…"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), "whsec_…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), r"\1 …"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@"), r"\1…@"),
)


def mask_text(text: str) -> str:
    """`text` without full addresses, keys, secrets and passwords of URLs."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def mask_values(_logger: Any, _name: str, values: structlog.types.EventDict) -> structlog.types.EventDict:
    """A processor: masks all texts of a line, the traceback included."""
    return {name: mask_text(value) if isinstance(value, str) else value for name, value in values.items()}


class WithoutPaths(logging.Filter):
    """Leaves out what Django says of requests that were refused, and the path of those that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(WITH_PATHS):
            return not record.name.startswith(WITH_HOSTS)
        if record.levelno < logging.ERROR or not record.exc_info:
            # The view has logged the fault, or there was none.
            return False
        record.msg, record.args = "page_failed", ()
        if isinstance(record.exc_info[1], DatabaseError):
            # Its message quotes the row, and so the content of mail.
            record.msg, record.exc_info = f"page_failed: {type(record.exc_info[1]).__name__}", None
        return True


def build_logging(level: str) -> None:
    """Route structlog and the standard library's loggers through one JSON handler."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(WithoutPaths())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_values,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
