"""Limits of time in the database, by the kind of work: waits for locks, statements, idle transactions.

A lock that somebody holds for long, or a program that stopped in the middle of a transaction, must not hold up work
for longer than that work may wait.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.db import OperationalError
from psycopg.errors import LockNotAvailable

from ledger.sql import execute


class WorkKind(StrEnum):
    """The kinds of work that differ in their patience."""

    WEB = "web"  # a request: somebody waits for the answer
    SENDING = "sending"  # claims and records of workers
    TICK = "tick"  # what beat and the workers' timers do every few seconds
    COMMAND = "command"  # commands and clean-ups
    MIGRATION = "migration"  # changes of tables, behind whose waits for locks all others wait


class TimeLimits(NamedTuple):
    """0 means no limit."""

    lock: timedelta
    statement: timedelta
    idle_in_transaction: timedelta

    def in_milliseconds(self) -> tuple[str, str, str]:
        """The values for PostgreSQL's settings."""
        lock, statement, idle = (str(round(limit.total_seconds() * 1000)) for limit in self)
        return lock, statement, idle


class _Present(threading.local):
    """The kind of this thread's work, if it differs from that of the process."""

    kind: WorkKind | None = None


_process_kind = WorkKind.COMMAND
_present = _Present()


def set_process_kind(kind: WorkKind) -> None:
    """Set the kind of all work of this process; without a call it is a command."""
    global _process_kind
    _process_kind = kind


@contextmanager
def work_of(kind: WorkKind) -> Iterator[None]:
    """Work of another kind in this thread. It applies to transactions that begin within."""
    before, _present.kind = _present.kind, kind
    try:
        yield
    finally:
        _present.kind = before


def find_kind() -> WorkKind:
    """The kind of the present work."""
    return _present.kind or _process_kind


def find_limits() -> TimeLimits:
    """The limits of the present work."""
    return name_limits(settings.DATABASE_LIMITS[find_kind()])


@lru_cache(maxsize=100)
def name_limits(limits: tuple[timedelta, timedelta, timedelta]) -> TimeLimits:
    return TimeLimits(*limits)


@contextmanager
def lock_limit(milliseconds: int) -> Iterator[None]:
    """Wait for locks no longer than this, within the caller's transaction."""
    execute(f"SET LOCAL lock_timeout = {milliseconds}")
    yield
    execute(f"SET LOCAL lock_timeout = {find_limits().in_milliseconds()[0]}")


def is_lock_timeout(error: OperationalError) -> bool:
    """Whether the error is that of a wait for a lock that took too long."""
    return isinstance(error.__cause__, LockNotAvailable)
