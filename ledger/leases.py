"""Renewal of leases while their holder lives."""

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from ledger.models import DueRow
from ledger.sql import execute

log = structlog.get_logger(__name__)

WATCH_SECONDS = 1.0


class Heartbeat(AbstractContextManager["Heartbeat"]):
    """Renews every lease added to it each `settings.HEARTBEAT_TIME`, from a thread of its own.

    A conversation may take ten minutes (RFC 5321, 4.5.3.2) while a lease lasts one: without renewal another worker
    would claim the row. When the process dies, renewal stops, which reveals its death. An expired lease is not
    renewed: another worker may have leased the row already.

    The thread also calls `watch` each second, for work that looks at conversations from outside.
    """

    def __init__(self, model: type[DueRow], watch: Callable[[], object] = lambda: None) -> None:
        self.table = model._meta.db_table
        self._watch = watch
        self.tokens: set[UUID] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def add(self, token: UUID) -> None:
        self.tokens = self.tokens | {token}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        every = settings.HEARTBEAT_TIME.total_seconds()
        renew_at = monotonic() + every
        try:
            while not self._stop.wait(min(WATCH_SECONDS, every)):
                try:
                    if monotonic() >= renew_at:
                        renew_at += every
                        renew(self.table, self.tokens, settings.LEASE_TIME)
                    self._watch()
                except DatabaseError as error:
                    log.warning("lease_renewal_failed", error=type(error).__name__)
                    connection.close()
        finally:
            connection.close()


def renew(table: str, tokens: Iterable[UUID], lease: timedelta) -> None:
    """Extend `lease_until` of all rows leased under `tokens` whose lease has not expired.

    A row that is being written is left for the next time: the writer is the lease's holder, which locks rows in its own
    order, so waiting for it would cause deadlocks.
    """
    execute(
        f"""
        WITH leased AS MATERIALIZED (
            SELECT id FROM {table} WHERE lease_token = ANY(%s) AND lease_until > now() FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {table} row SET lease_until = now() + %s FROM leased WHERE row.id = leased.id
        """,  # noqa: S608 - the name of a model's table
        [list(tokens), lease],
    )
