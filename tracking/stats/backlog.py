"""How far the statistics and the event feed are behind the events."""

from ledger.sql import fetch_value

# The first event of each project that is not counted yet, along the index of its feed.
_EVENT_LAG = """
SELECT COALESCE(EXTRACT(epoch FROM now() - min(first.occurred_at)), 0)::float
FROM accounts_project p LEFT JOIN tracking_statscursor c ON c.project_id = p.id, LATERAL (
    SELECT e.occurred_at FROM tracking_event e
    WHERE e.project_id = p.id AND (e.position, e.serial) > (COALESCE(c.position, 0), COALESCE(c.serial, 0))
    ORDER BY e.position, e.serial LIMIT 1
) AS first
"""
_OLDEST_WRITER = """
SELECT COALESCE(EXTRACT(epoch FROM now() - min(xact_start)), 0)::float FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""


def read_event_lag() -> float:
    """The age in seconds of the oldest event that no statistics have counted; 0 when all are counted."""
    lag: float = fetch_value(_EVENT_LAG)
    return lag


def read_oldest_writer() -> float:
    """The age in seconds of the oldest transaction that has written: the feed is final only before it."""
    age: float = fetch_value(_OLDEST_WRITER)
    return age
