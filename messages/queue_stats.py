"""Counts of the queue by lane and state, with the times at which workers and beat last ran."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from ledger.sql import fetch_as, fetch_one_as
from ledger.timer import read_worker_age
from messages.states import OPEN_STATUSES, Lane, Status, StatusReason
from messages.tasks import tick


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """The number of recipients of a lane in each state, and the time since which the oldest is due.

    `due`: may be claimed now. `later`: waits for its next attempt. `leased`: a worker is sending it. `lost`: its lease
    expired, so its worker is gone. `on_hold`: waits for a person, for feedback, for the domain of its
    sender, or for the end of a pause or cap.
    """

    lane: Lane
    due: int = 0
    later: int = 0
    leased: int = 0
    lost: int = 0
    on_hold: int = 0
    oldest_due_at: datetime | None = None
    next_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledMessages:
    """How many messages wait for their time at `at`, and which time comes first."""

    at: datetime
    count: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """The queue at one moment, by the database's clock."""

    at: datetime
    lanes: list[LaneState]
    scheduled: int
    next_scheduled_at: datetime | None
    beat_ran_at: datetime | None
    worker_seen_seconds_ago: float | None

    def describe(self) -> dict[str, Any]:
        """The queue as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQueue:
    """The open recipients of one project in one lane, with the states of `LaneState`."""

    STATES: ClassVar[Sequence[str]] = ("due", "later", "leased", "lost", "on_hold")

    lane: Lane
    project: str
    due: int
    later: int
    leased: int
    lost: int
    on_hold: int
    uncertain: int
    oldest_due_seconds: float


_IN_QUEUE = "lease_token IS NULL AND parked_by = ''"
# Only open recipients can be in the queue, and they have a partial index: the table may have millions of rows.
_COUNTS = f"""
       count(*) FILTER (WHERE {_IN_QUEUE} AND next_attempt_at <= now()) AS due,
       count(*) FILTER (WHERE {_IN_QUEUE} AND next_attempt_at > now()) AS later,
       count(*) FILTER (WHERE lease_until >= now()) AS leased,
       count(*) FILTER (WHERE lease_until < now()) AS lost,
       count(*) FILTER (WHERE lease_token IS NULL AND (next_attempt_at IS NULL OR parked_by <> '')) AS on_hold
"""
_LANES = f"""
SELECT lane, {_COUNTS},
       min(next_attempt_at) FILTER (WHERE {_IN_QUEUE} AND next_attempt_at <= now()) AS oldest_due_at,
       min(next_attempt_at) FILTER (WHERE {_IN_QUEUE} AND next_attempt_at > now()) AS next_due_at
FROM mail_recipient WHERE status IN ({OPEN_STATUSES}) GROUP BY lane
"""  # noqa: S608 - built from constants of this package
_PROJECTS = f"""
SELECT p.name AS project, q.lane, q.due, q.later, q.leased, q.lost, q.on_hold, q.uncertain, q.oldest_due_seconds
FROM (
    SELECT lane, project_id, {_COUNTS},
           count(*) FILTER (WHERE status_reason = '{StatusReason.UNCERTAIN}') AS uncertain,
           COALESCE(EXTRACT(epoch FROM now() - min(next_attempt_at)
               FILTER (WHERE {_IN_QUEUE} AND next_attempt_at <= now())), 0)::float AS oldest_due_seconds
    FROM mail_recipient WHERE status IN ({OPEN_STATUSES}) GROUP BY lane, project_id
) AS q JOIN accounts_project p ON p.id = q.project_id
"""  # noqa: S608
_SCHEDULED = "SELECT now() AS at, count(*), min(scheduled_at) AS next_at FROM mail_message WHERE status = %s"


def read_queue() -> QueueState:
    """Read the present state of the queue."""
    found = {state.lane: state for state in fetch_as(LaneState, _LANES)}
    planned = fetch_one_as(ScheduledMessages, _SCHEDULED, [Status.SCHEDULED])
    assert planned is not None
    return QueueState(
        at=planned.at,
        lanes=[found.get(lane, LaneState(lane=lane)) for lane in Lane],
        scheduled=planned.count,
        next_scheduled_at=planned.next_at,
        beat_ran_at=read_beat_time(),
        worker_seen_seconds_ago=read_worker_age(),
    )


def read_project_queues() -> list[ProjectQueue]:
    """The open recipients by lane and project; projects without any are left out."""
    return fetch_as(ProjectQueue, _PROJECTS)


def read_beat_time() -> datetime | None:
    """When beat last started its tick; None if it never did."""
    ran_at: datetime | None = PeriodicTask.objects.filter(task=tick.name).values_list("last_run_at", flat=True).first()
    return ran_at


def read_beat_age() -> float | None:
    """The number of seconds since beat last started its tick, which it does every 30 s; None if it never did."""
    at = read_beat_time()
    return None if at is None else max((timezone.now() - at).total_seconds(), 0.0)
