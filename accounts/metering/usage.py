"""The counts of days and months in the database: those of a project are its statistics, those of a key have rows.

A counter that Redis has lost starts from them again. They are up to a minute old.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.metering.limits import Limit, Period, name_counter, utc_now
from accounts.models import KeyLimits
from ledger.redis_state import shared
from ledger.sql import as_rows, execute, fetch_value

# Schema, not code: the hours of `tracking.models.Rollup`, which leave out test mail.
_OF_PROJECT = """
SELECT COALESCE(sum(emails), 0)::bigint FROM tracking_rollup
WHERE project_id = %s AND dimension = 'all' AND starts_at >= %s AND starts_at < %s
"""
_OF_KEY = """
SELECT COALESCE(sum(message_count), 0)::bigint FROM accounts_keyusage WHERE api_key_id = %s AND day >= %s AND day < %s
"""
# A count never falls: Redis may have lost its own.
_KEEP = """
INSERT INTO accounts_keyusage AS kept (api_key_id, day, message_count)
SELECT v.api_key_id, v.day, v.message_count
FROM jsonb_to_recordset(%s::jsonb) AS v(api_key_id uuid, day date, message_count bigint)
JOIN accounts_apikey k ON k.id = v.api_key_id
ORDER BY v.api_key_id
ON CONFLICT (api_key_id, day) DO UPDATE SET message_count = greatest(kept.message_count, EXCLUDED.message_count)
"""
_PURGE = "DELETE FROM accounts_keyusage WHERE day < %s"
BATCH = 1_000


def load_starts(limits: Sequence[Limit]) -> Mapping[str, int]:
    """The counts from which the counters of these limits start."""
    now = utc_now()
    return {
        limit.key: int(
            fetch_value(
                _OF_KEY if limit.is_of_key else _OF_PROJECT,
                [limit.owner_id, limit.period.start(now), limit.period.end(now)],
            )
        )
        for limit in limits
    }


def count_day(project_id: UUID, now: datetime | None = None) -> int:
    """The messages that the project has sent on the present day in UTC, without test mail; up to a minute old."""
    now = now or utc_now()
    return int(fetch_value(_OF_PROJECT, [project_id, Period.DAY.start(now), Period.DAY.end(now)]))


def keep_key_usage(now: datetime | None = None) -> int:
    """Write the present day's count of each key that has a limit by day or month; returns their number.

    The counts of months before the present one are deleted.
    """
    now = now or utc_now()
    limited = KeyLimits.objects.filter(Q(messages_per_day__isnull=False) | Q(messages_per_month__isnull=False))
    keys = list(limited.order_by("pk").values_list("pk", flat=True))
    written = 0
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        names = [name_counter(key, "messages", Period.DAY, now) for key in part]
        counts = shared.ask(lambda client, names=names: client.mget(names)) or []  # type: ignore[misc]
        rows: list[dict[str, Any]] = [
            {"api_key_id": key, "day": now.date(), "message_count": int(count)}
            for key, count in zip(part, counts, strict=False)
            if count is not None
        ]
        written += execute(_KEEP, [as_rows(rows)]) if rows else 0
    execute(_PURGE, [Period.MONTH.start(now)])
    return written
