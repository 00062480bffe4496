"""Waits for an absent database, so that results in memory are not lost."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
T = TypeVar("T")

PAUSE_SECONDS = 0.2


def retry_database(step: Callable[[], T]) -> T:
    """The result of `step`, which is retried while the database is away.

    If a lease expires meanwhile, the step notices it and writes nothing.
    """
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            log.warning("database_away", error=str(error)[:200])
            connection.close()
            time.sleep(PAUSE_SECONDS)
