"""Putting events on their way to endpoints, in the transaction that wrote them."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from common.ids import new_id
from ledger.sql import execute, fetch
from webhooks.event_types import ALL
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus
from webhooks.tasks import ring

# A delivery's id is its event's (UUIDv7) but for the last 32 bits: unique for each endpoint, and in the events' order.
_NEW_ID = "(left(t.event_id::text, 28) || right(gen_random_uuid()::text, 8))::uuid"

# The end of a statement that writes events: one delivery for each event and each endpoint of its project that wants it.
# Before it stands a CTE `told` (project_id uuid, event_id uuid, type text, payload text), the payload finished JSON;
# among the parameters is `attempts` (see `max_attempts`). The caller rings after the commit.
PUBLISH = f"""
INSERT INTO webhooks_webhookdelivery
    (id, endpoint_id, project_id, event_id, type, payload, status, attempt_count, attempts_left, attempts, created_at,
     next_attempt_at)
SELECT {_NEW_ID}, e.id, t.project_id, t.event_id, t.type, t.payload, '{DeliveryStatus.PENDING}', 0,
    %(attempts)s::smallint, '[]', now(), now()
FROM told t JOIN webhooks_endpoint e
    ON e.project_id = t.project_id AND e.status = '{EndpointStatus.ENABLED}'
    AND (t.type = ANY(e.events) OR '{ALL}' = ANY(e.events))
"""  # noqa: S608 - built from constants

# How long a process may go by what it read. Who makes an endpoint waits for as long: see `wait_until_known`.
FRESH_SECONDS = 0.5


class Listeners:
    """Which projects have endpoints, read at most twice a second, so that the others pay nothing; safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._projects: frozenset[UUID] = frozenset()

    def has_any(self, projects: Collection[UUID]) -> bool:
        """Whether one of `projects` has an endpoint."""
        with self._lock:
            # The clock first: what is committed from here on may be missing.
            now = self._clock()
            if now - self._read_at >= FRESH_SECONDS:
                rows = fetch("SELECT DISTINCT project_id FROM webhooks_endpoint WHERE status = %s", [ENABLED])
                self._projects, self._read_at = frozenset(row[0] for row in rows), now
            return not self._projects.isdisjoint(projects)


ENABLED = str(EndpointStatus.ENABLED)
listeners = Listeners()


def wait_until_known() -> None:
    """After the commit that made or enabled an endpoint: from here on every process tells it of what happens."""
    time.sleep(FRESH_SECONDS)


def max_attempts() -> int:
    """How often a delivery is tried, by the settings."""
    return len(settings.WEBHOOK_WAITS) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An event as one endpoint gets it, beside the log. `payload` is finished JSON."""

    event_id: UUID
    type: str
    payload: str


def publish_to(endpoint: Endpoint, publication: Publication, *, attempts: int) -> UUID:
    """Put one event on its way to one endpoint, in the caller's transaction; the delivery's id."""
    assert connection.in_atomic_block, "a delivery is written with its event or not at all"
    pk = new_id()
    execute(
        "INSERT INTO webhooks_webhookdelivery (id, endpoint_id, project_id, event_id, type, payload, status,"
        " attempt_count, attempts_left, attempts, created_at, next_attempt_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, %s, '[]', now(), now())",
        [
            *(pk, endpoint.pk, endpoint.project_id, publication.event_id, publication.type, publication.payload),
            *(DeliveryStatus.PENDING, attempts),
        ],
    )
    transaction.on_commit(ring)
    return pk
