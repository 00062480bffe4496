"""Queue deliveries of events to endpoints, in the transaction that wrote the events."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from common.ids import new_id
from ledger.sql import execute, fetch_column
from webhooks.event_types import ALL
from webhooks.models import DeliveryStatus, Endpoint, EndpointStatus
from webhooks.tasks import ring

# A delivery's id is its event's UUIDv7 with 32 random bits at the end: unique per endpoint, in the order of events.
_NEW_ID = "(left(t.event_id::text, 28) || right(gen_random_uuid()::text, 8))::uuid"

# The end of a statement that writes events: one delivery for each event and each subscribed endpoint of its project.
# It needs a CTE `told` (project_id uuid, event_id uuid, type text, is_test bool, payload text); the payload is
# JSON, and the parameters include `attempts` (see `max_attempts`). The caller wakes the worker after the commit.
PUBLISH = f"""
INSERT INTO webhooks_webhookdelivery
    (id, endpoint_id, project_id, event_id, type, payload, status, attempt_count, attempts_left, attempts, created_at,
     next_attempt_at)
SELECT {_NEW_ID}, e.id, t.project_id, t.event_id, t.type, t.payload, '{DeliveryStatus.PENDING}', 0,
    %(attempts)s::smallint, '[]', now(), now()
FROM told t JOIN webhooks_endpoint e
    ON e.project_id = t.project_id AND e.is_test = t.is_test AND e.status = '{EndpointStatus.ENABLED}'
    AND (t.type = ANY(e.events) OR '{ALL}' = ANY(e.events))
"""  # noqa: S608 - built from constants

# How long a process may use cached data. The creation of an endpoint waits for as long: see `wait_until_known`.
FRESH_SECONDS = 0.5


class Listeners:
    """A cache of the projects with endpoints, so that other projects cost no query. Read at most twice a second;
    thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._projects: frozenset[UUID] = frozenset()

    def has_any(self, projects: Collection[UUID]) -> bool:
        """Whether one of `projects` has an endpoint."""
        with self._lock:
            # Read the clock before the query: later commits may be missing from its result.
            now = self._clock()
            if now - self._read_at >= FRESH_SECONDS:
                found = fetch_column("SELECT DISTINCT project_id FROM webhooks_endpoint WHERE status = %s", [ENABLED])
                self._projects, self._read_at = frozenset(found), now
            return not self._projects.isdisjoint(projects)


ENABLED = str(EndpointStatus.ENABLED)
listeners = Listeners()

# Whether a project has endpoints, by its id and whether it is about test mail.
HAS_ENDPOINTS = f"""
EXISTS (SELECT FROM webhooks_endpoint WHERE project_id = %(project)s AND is_test = %(is_test)s AND status = '{ENABLED}')
"""


class UnheardProjects:
    """Projects that had no endpoint when their last statement ran. It is a guess: the next one looks itself.

    Live and test mail have endpoints of their own.
    """

    MOST = 10_000

    def __init__(self) -> None:
        self._known: set[tuple[UUID, bool]] = set()

    def has(self, project_id: UUID, *, is_test: bool) -> bool:
        return (project_id, is_test) in self._known

    def note(self, project_id: UUID, *, is_test: bool, is_unheard: bool) -> None:
        if not is_unheard:
            self._known.discard((project_id, is_test))
            return
        if len(self._known) >= self.MOST:
            self._known.clear()
        self._known.add((project_id, is_test))


unheard_projects = UnheardProjects()


def wait_until_known() -> None:
    """Wait until every process knows a new or enabled endpoint. Call it after the commit."""
    time.sleep(FRESH_SECONDS)


def max_attempts() -> int:
    """The number of attempts per delivery, from the settings."""
    return len(settings.WEBHOOK_WAITS) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An event that is sent to one endpoint and not written to the event log. `payload` is encoded JSON."""

    event_id: UUID
    type: str
    payload: str


def publish_to(endpoint: Endpoint, publication: Publication, *, attempts: int) -> UUID:
    """Queue one event for one endpoint, in the caller's transaction; the result is the delivery's id."""
    assert connection.in_atomic_block, "publish_to must run inside a transaction"
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
