"""The input of the aggregation: events after a cursor, their messages, and the events counted before."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from domains.public_suffixes import name_mailbox_provider
from ledger.sql import fetch, fetch_one_as
from providers.models import ProviderKind
from tracking.feed.cursor import Cursor
from tracking.message_tables import ATTEMPTS, MESSAGES, RECIPIENTS
from tracking.models import EventType
from tracking.stats.counting import SHOWN, CountedMessage, EventRow, MessagePast

# The columns of an `EventRow`, and the event's position and serial.
EVENT = """
e.type, e.message_id, e.recipient_id, NULLIF(e.data ->> 'provider', ''), e.data ->> 'actor',
e.occurred_at, e.position, e.serial
"""
_EVENTS = f"""
SELECT {EVENT} FROM tracking_event e
WHERE project_id = %(project)s AND (position, serial) > (%(position)s, %(serial)s) AND position <= %(horizon)s
ORDER BY position, serial LIMIT %(limit)s
"""  # noqa: S608 - built from constants
_SUBJECTS = f"""
SELECT m.id, m.created_at, (SELECT count(*) FROM {RECIPIENTS} r WHERE r.message_id = m.id), m.template_id::text,
       lower(split_part(m.from_address, '@', 2)), m.tags, m.stream
FROM {MESSAGES} m WHERE m.id = ANY(%s) AND NOT m.is_test
"""  # noqa: S608 - built from constants
# A mail may have been opened a thousand times: what matters of a type is whether it came, and when first.
_PASTS = """
SELECT message_id, recipient_id, type, COALESCE(data ->> 'actor' = ANY(%(shown)s), false) AS is_shown, min(occurred_at),
       (array_agg(data ->> 'provider' ORDER BY serial DESC) FILTER (WHERE data ->> 'provider' <> ''))[1],
       max(serial) FILTER (WHERE data ->> 'provider' <> '') AS last
FROM tracking_event
WHERE message_id = ANY(%(messages)s) AND (position, serial) <= (%(position)s, %(serial)s)
GROUP BY message_id, recipient_id, type, is_shown
ORDER BY last NULLS FIRST
"""
# The exchanger of the first attempt that found one: later attempts do not change where an event counts.
_MAILBOXES = f"""
SELECT r.id, r.domain, COALESCE((
    SELECT a.remote_host FROM {ATTEMPTS} a JOIN providers_provider p ON p.id = a.provider_id
    WHERE a.recipient_id = r.id AND a.remote_host <> '' AND p.kind = '{ProviderKind.MX}' ORDER BY a.number LIMIT 1), '')
FROM {RECIPIENTS} r WHERE r.id = ANY(%s)
"""  # noqa: S608 - built from constants
HANDOVERS = {EventType.SENT, EventType.DELIVERED}
_CURSOR = "SELECT position, serial FROM tracking_statscursor WHERE project_id = %s"


class Batch(NamedTuple):
    """Events in order, and the place after the last one."""

    events: Sequence[EventRow]
    end: Cursor


def read_cursor(project_id: UUID) -> Cursor:
    """The place up to which the project's events are counted."""
    return fetch_one_as(Cursor, _CURSOR, [project_id]) or Cursor()


def read_events(project_id: UUID, after: Cursor, *, horizon: int, limit: int) -> Batch:
    """Read at most `limit` next events up to the horizon."""
    rows = fetch(
        _EVENTS,
        {
            "project": project_id,
            "position": after.position,
            "serial": after.serial,
            "horizon": horizon,
            "limit": limit,
        },
    )
    *_, position, serial = rows[-1] if rows else (after.position, after.serial)
    return Batch([EventRow(*columns) for *columns, _, _ in rows], Cursor(position, serial))


def read_counted_messages(message_ids: Collection[UUID]) -> dict[UUID, CountedMessage]:
    """Read the attributes of messages, without messages of test keys and deleted ones."""
    return {
        pk: CountedMessage(floor_hour(created_at), count, template, domain, tuple(dict.fromkeys(tags)), stream)
        for pk, created_at, count, template, domain, tags, stream in fetch(_SUBJECTS, [list(message_ids)])
    }


def read_mailbox_providers(recipient_ids: Collection[UUID]) -> dict[UUID, str]:
    """The mailbox provider of each recipient, without deleted ones."""
    rows = fetch(_MAILBOXES, [list(recipient_ids)]) if recipient_ids else []
    return {pk: name_mailbox_provider(host, domain) for pk, domain, host in rows}


def floor_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def read_pasts(message_ids: Collection[UUID], until: Cursor) -> dict[UUID, MessagePast]:
    """Read the messages' events up to a place in the feed, summarized by message and recipient."""
    pasts: dict[UUID, MessagePast] = {}
    values = {
        "messages": list(message_ids),
        "position": until.position,
        "serial": until.serial,
        "shown": list(SHOWN),
    }
    for message_id, recipient_id, type_, is_shown, first_at, provider, _ in fetch(_PASTS, values):
        message = pasts.setdefault(message_id, MessagePast(is_known=True))
        past = message.of(recipient_id)
        past.types.add(type_)
        past.provider = provider or past.provider
        if type_ == EventType.QUEUED:
            message.queued_at = first_at
        elif type_ in HANDOVERS:
            past.sent_at = min(past.sent_at or first_at, first_at)
        past.has_opened |= is_shown and type_ == EventType.OPENED_SETTLED
        past.has_clicked |= is_shown and type_ == EventType.CLICKED_SETTLED
    return pasts
