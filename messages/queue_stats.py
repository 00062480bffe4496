"""Counts of the queue by lane and state, with the times at which workers and beat last ran."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django_celery_beat.models import PeriodicTask

from ledger.sql import fetch, fetch_one
from ledger.timer import read_worker_age
from messages.states import OPEN, Lane, Status
from messages.tasks import tick


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """The number of recipients of a lane in each state, and the time since which the oldest is due.

    `due`: may be claimed now. `later`: waits for its next attempt. `leased`: a worker is sending it. `lost`: its lease
    expired, so its worker is gone. `on_hold`: waits for a person or for feedback.
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


# Only open recipients can be in the queue, and they have a partial index: the table may have millions of rows.
_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN))
_LANES = f"""
SELECT lane,
       count(*) FILTER (WHERE lease_token IS NULL AND next_attempt_at <= now()),
       count(*) FILTER (WHERE lease_token IS NULL AND next_attempt_at > now()),
       count(*) FILTER (WHERE lease_until >= now()),
       count(*) FILTER (WHERE lease_until < now()),
       count(*) FILTER (WHERE lease_token IS NULL AND next_attempt_at IS NULL),
       min(next_attempt_at) FILTER (WHERE lease_token IS NULL AND next_attempt_at <= now()),
       min(next_attempt_at) FILTER (WHERE lease_token IS NULL AND next_attempt_at > now())
FROM mail_recipient WHERE status IN ({_OPEN}) GROUP BY lane
"""  # noqa: S608 - built from constants of this package
_SCHEDULED = "SELECT now(), count(*), min(scheduled_at) FROM mail_message WHERE status = %s"


def read_queue() -> QueueState:
    """Read the present state of the queue."""
    found = {
        Lane(row[0]): LaneState(
            lane=Lane(row[0]),
            due=row[1],
            later=row[2],
            leased=row[3],
            lost=row[4],
            on_hold=row[5],
            oldest_due_at=row[6],
            next_due_at=row[7],
        )
        for row in fetch(_LANES)
    }
    row = fetch_one(_SCHEDULED, [Status.SCHEDULED])
    assert row is not None
    return QueueState(
        at=row[0],
        lanes=[found.get(lane, LaneState(lane=lane)) for lane in Lane],
        scheduled=row[1],
        next_scheduled_at=row[2],
        beat_ran_at=PeriodicTask.objects.filter(task=tick.name).values_list("last_run_at", flat=True).first(),
        worker_seen_seconds_ago=read_worker_age(),
    )
