"""Pages of a project's event feed. A reader that passes on each `next` gets every event once and in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ledger.sql import fetch_one_as
from tracking.feed.cursor import Cursor, find_horizon
from tracking.models import Event

# The most events that a page with `types` scans. After them the page ends early, and `next` continues there.
SCAN_LIMIT = 10_000
_LAST_SERIAL = 2**63 - 1

# The condition on events, by `is_test`. It is a literal, so that the index of test events serves.
_WORLDS = {None: "TRUE", False: "NOT is_test", True: "is_test"}


class FeedSql(NamedTuple):
    """The statements for one world: a page, and the last event that a page with `types` has scanned."""

    page: str
    scanned: str


def build_sql(world: str) -> FeedSql:
    # The events between a cursor and the horizon.
    behind = f"""
FROM tracking_event
WHERE project_id = %(project)s AND (position, serial) > (%(position)s, %(serial)s) AND position <= %(horizon)s
  AND {world}
ORDER BY position, serial
"""
    page = f"""
WITH part AS MATERIALIZED (SELECT * {behind} LIMIT %(scan)s)
SELECT part.* FROM part
WHERE %(types)s::text[] IS NULL OR part.type = ANY(%(types)s::text[])
ORDER BY part.position, part.serial LIMIT %(limit)s
"""  # noqa: S608 - built from constants
    return FeedSql(page, f"SELECT position, serial {behind} OFFSET %(scan)s - 1 LIMIT 1")


_SQL = {is_test: build_sql(world) for is_test, world in _WORLDS.items()}
_BEFORE_LAST = """
SELECT position, serial FROM tracking_event WHERE project_id = %(project)s AND position <= %(horizon)s
ORDER BY position DESC, serial DESC OFFSET %(count)s LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Events in the feed's order; the next page's cursor; and whether that page has events."""

    events: list[Event]
    next: Cursor
    has_more: bool


def read_page(
    project_id: UUID,
    *,
    after: Cursor,
    limit: int,
    types: Sequence[str] | None = None,
    is_test: bool | None = None,
) -> FeedPage:
    """Read at most `limit` events after `after`, only of `types` if given. `is_test` selects those of test mail, or of
    live mail.

    `next` advances even if the page is empty. An event appears when every transaction that began before its own has
    ended, so that no event can be inserted before it.
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
    rows = list(Event.objects.raw(_SQL[is_test].page, params))
    if len(rows) > limit:
        return FeedPage(events=rows[:limit], next=cursor_of(rows[limit - 1]), has_more=True)
    if types and (last := fetch_one_as(Cursor, _SQL[is_test].scanned, params)):
        return FeedPage(events=rows, next=last, has_more=True)
    return FeedPage(events=rows, next=max(after, Cursor(horizon, _LAST_SERIAL)), has_more=False)


def find_end() -> Cursor:
    """The present end of the feed; only future events come after it."""
    return Cursor(find_horizon(), _LAST_SERIAL)


def find_before_last(project_id: UUID, count: int) -> Cursor:
    """The place before the last `count` events; the begin of the feed if there are fewer."""
    values = {"project": project_id, "horizon": find_horizon(), "count": count}
    return fetch_one_as(Cursor, _BEFORE_LAST, values) or Cursor()


def cursor_of(event: Event) -> Cursor:
    """The place directly after an event."""
    return Cursor(event.position, event.serial)
