"""The feed of a project's events: every one, once, in order, for who goes on from where the last page ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.sql import fetch_one
from tracking.feed.cursor import Cursor, find_horizon
from tracking.models import Event

# With `types`, so many events are looked through for a page; beyond them the page ends early, and says where.
SCAN_LIMIT = 10_000
_LAST_SERIAL = 2**63 - 1

# What lies between a cursor and the horizon.
_BEHIND = """
FROM tracking_event
WHERE project_id = %(project)s AND (position, serial) > (%(position)s, %(serial)s) AND position <= %(horizon)s
ORDER BY position, serial
"""
# The message's own table belongs to a package above this one: schema, not code.
_PAGE = f"""
WITH part AS MATERIALIZED (SELECT * {_BEHIND} LIMIT %(scan)s)
SELECT part.*, COALESCE(m.is_test, false) AS is_test
FROM part LEFT JOIN mail_message m ON m.id = part.message_id
WHERE %(types)s::text[] IS NULL OR part.type = ANY(%(types)s::text[])
ORDER BY part.position, part.serial LIMIT %(limit)s
"""  # noqa: S608 - built from constants
_SCANNED = f"SELECT position, serial {_BEHIND} OFFSET %(scan)s - 1 LIMIT 1"
_BEFORE_LAST = """
SELECT position, serial FROM tracking_event WHERE project_id = %(project)s AND position <= %(horizon)s
ORDER BY position DESC, serial DESC OFFSET %(count)s LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Events in the feed's order, each with `is_test`; where to go on; and whether that is worth while at once."""

    events: list[Event]
    next: Cursor
    has_more: bool


def read_page(project_id: UUID, *, after: Cursor, limit: int, types: Sequence[str] | None = None) -> FeedPage:
    """The events behind `after`, at most `limit`, and only of `types` when they are given.

    `next` goes on even when the page is empty. An event is shown when every transaction that began before its own has
    ended, so that nothing can come to stand before it.
    """
    horizon = find_horizon()
    scan = SCAN_LIMIT if types else limit + 1
    params = {
        "project": project_id,
        "position": after.position,
        "serial": after.serial,
        "horizon": horizon,
        "scan": scan,
        "types": list(types) if types else None,
        "limit": limit + 1,
    }
    rows = list(Event.objects.raw(_PAGE, params))
    if len(rows) > limit:
        return FeedPage(events=rows[:limit], next=cursor_of(rows[limit - 1]), has_more=True)
    if types and (last := fetch_one(_SCANNED, params)):
        return FeedPage(events=rows, next=Cursor(*last), has_more=True)
    return FeedPage(events=rows, next=max(after, Cursor(horizon, _LAST_SERIAL)), has_more=False)


def find_end() -> Cursor:
    """The end of the feed as it is now: behind it are only events that are still to come."""
    return Cursor(find_horizon(), _LAST_SERIAL)


def find_before_last(project_id: UUID, count: int) -> Cursor:
    """The place before the last `count` events that are there; the begin of the feed where there are fewer."""
    row = fetch_one(_BEFORE_LAST, {"project": project_id, "horizon": find_horizon(), "count": count})
    return Cursor(*row) if row else Cursor()


def cursor_of(event: Event) -> Cursor:
    """The place just behind an event."""
    return Cursor(event.position, event.serial)
