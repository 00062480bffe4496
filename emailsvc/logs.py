"""Logging: one line of JSON per event on stderr, by structlog.

Logs contain no content of mail, no keys and no tokens; addresses are masked.
"""

import logging
import sys

import structlog

# Each login would produce four lines, and HTTP client libraries log requests, which contain mail and our keys.
WARNINGS_ONLY = ("axes", "boto3", "botocore", "httpcore", "requests", "urllib3")


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
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
