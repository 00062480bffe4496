"""The cap of a new project: so many messages on its first day, and twice as many on each day after.

It counts live messages at their first attempt. Above it mail waits, parked, until the next day begins: 24 hours after
the one before, the first at the project's creation.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import SendingCap
from ledger.sql import fetch_as, fetch_value
from messages.pausing import names
from messages.pausing.parking import BATCH, unpark

# After these days a cap of one message would be above a million a day: it ends.
LAST_DAY = 20
_TODAY = "floor(extract(epoch FROM clock_timestamp() - started_at) / 86400)::int"
_CAPS = f"""
SELECT project_id, day, first_day_messages * 2::bigint ^ LEAST(day, {LAST_DAY}) AS cap,
       CASE WHEN counted_day = day THEN message_count ELSE 0 END AS used,
       started_at + (day + 1) * interval '1 day' AS next_at
FROM (SELECT *, {_TODAY} AS day FROM accounts_sendingcap WHERE {{which}} {{lock}}) caps
"""  # noqa: S608 - built from constants of this module
_TAKE = f"""
WITH caps AS ({_CAPS.format(which="project_id = %(project)s", lock="FOR NO KEY UPDATE")})
UPDATE accounts_sendingcap s
SET counted_day = c.day, message_count = c.used + LEAST(%(count)s::bigint, GREATEST(c.cap::bigint - c.used, 0))
FROM caps c WHERE s.project_id = c.project_id
RETURNING LEAST(%(count)s::bigint, GREATEST(c.cap::bigint - c.used, 0))
"""  # noqa: S608 - built from constants of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A project's cap today; `next_at` is the beginning of its next day."""

    project_id: UUID
    day: int
    cap: float
    used: int
    next_at: datetime

    @property
    def left(self) -> int:
        return max(0, int(self.cap) - self.used)


def list_caps() -> list[Cap]:
    return fetch_as(Cap, _CAPS.format(which="TRUE", lock=""))


def find_cap(project_id: UUID) -> Cap | None:
    """The project's cap; None if it has none."""
    found = fetch_as(Cap, _CAPS.format(which="project_id = %s", lock=""), [project_id])
    return found[0] if found else None


def take_cap(project_id: UUID, count: int) -> int:
    """Count up to `count` messages that are sent for the first time; returns how many of them may be sent."""
    taken = fetch_value(_TAKE, {"project": project_id, "count": count})
    return count if taken is None else int(taken)


def list_holders() -> set[str]:
    """The `parked_by` of every project that has a cap."""
    return {names.of_cap(pk) for pk in SendingCap.objects.values_list("project_id", flat=True)}


def release_caps(parkers: Collection[str]) -> int:
    """End caps that are old, and let through as much waiting mail as the others admit."""
    caps = list_caps()
    SendingCap.objects.filter(project_id__in=[cap.project_id for cap in caps if cap.day >= LAST_DAY]).delete()
    count = 0
    for cap in caps:
        by = names.of_cap(cap.project_id)
        if by in parkers and cap.left:
            count += unpark(by, min(cap.left, BATCH))
    return count
