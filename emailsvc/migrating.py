"""Applies migrations while programs of the version before work on the same tables.

A change of a table waits until its users are through, and whoever comes meanwhile waits behind it; two tables can be
met in an order that deadlocks. So each wait for a lock is short, what has to give way is undone by PostgreSQL, and is
tried again after a pause in which the others go on.
"""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from django.core.management import call_command
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from ledger.limits import WorkKind, work_of

log = structlog.get_logger(__name__)
T = TypeVar("T")
# A dump or a long report holds tables that long; then it is better that a person decides.
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS = 1.0
CONCURRENT_INDEX = re.compile(r'CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?"(?P<name>\w+)"')


def apply_migrations() -> None:
    """Apply all that are missing. Raises OperationalError when a table was held for ten minutes.

    A migration in one transaction is tried again from its beginning, one without (`atomic = False`) from the statement
    that has failed.
    """
    with work_of(WorkKind.MIGRATION), connection.execute_wrapper(execute_patiently):
        keep_trying(partial(call_command, "migrate", interactive=False, verbosity=1))


def keep_trying(step: Callable[[], T], *, pause: float = PAUSE_SECONDS, patience: float = PATIENCE_SECONDS) -> T:
    """The result of `step`, which is repeated as long as others hold its locks, at most for `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return step()
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected | LockNotAvailable) or time.monotonic() > deadline:
                raise
            log.warning("migration_waits", error=type(error.__cause__).__name__)
            time.sleep(pause)


def execute_patiently(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """A wrapper of statements: repeats one that is a transaction of its own."""
    if connection.in_atomic_block:
        return execute(sql, params, many, context)
    if found := CONCURRENT_INDEX.match(sql):
        return keep_trying(partial(build_index, partial(execute, sql, params, many, context), found["name"]))
    return keep_trying(partial(execute, sql, params, many, context))


def build_index(build: Callable[[], T], name: str) -> T:
    """Build an index beside the users of its table. It holds nobody up, and waits for all transactions: with patience.

    An attempt that was broken off has left an index of that name, which no query uses.
    """
    with work_of(WorkKind.COMMAND), connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        return build()
