"""Waiting for a database that is away: what is in memory must not be dropped."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
T = TypeVar("T")

PAUSE_SECONDS = 0.2


def retry_database(step: Callable[[], T]) -> T:
    """`step`'s answer; while the database is away it is tried again.

    A lease that runs out meanwhile is found out by the step itself: it then writes nothing.
    """
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            log.warning("database_away", error=str(error)[:200])
            connection.close()
            time.sleep(PAUSE_SECONDS)
