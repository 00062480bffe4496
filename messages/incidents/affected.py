"""The recipients that an incident affected: they failed or bounced in a time, by a cause, and it still holds."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from common.ids import least_id_at
from ledger.sql import fetch_as
from messages.states import Status
from tracking.models import EventType

PAGE = 1_000
# An event is written after what it tells of; clocks of machines differ by less than this.
CLOCKS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """What an incident was. `provider` is an id or a name; `error` a code (`550`, `5.7.1`) or a reason for programs;
    `like` a part of the reply, or a pattern with `%`.
    """

    since: datetime
    until: datetime
    provider: str = ""
    error: str = ""
    like: str = ""
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A recipient that an incident affected. `is_resent`: a copy was sent before, and no other ever is."""

    event_id: UUID
    at: datetime
    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    status: Status
    status_reason: str
    provider: str
    code: int | None
    enhanced_code: str
    reply: str
    is_resent: bool


_AFFECTED = """
SELECT e.id AS event_id, e.occurred_at AS at, r.id AS recipient_id, r.message_id, r.project_id, r.address, r.status,
       r.status_reason, COALESCE(a.provider_name, '') AS provider, a.code,
       COALESCE(a.enhanced_code, '') AS enhanced_code, COALESCE(NULLIF(r.last_reply, ''), a.reply, '') AS reply,
       d.recipient_id IS NOT NULL AS is_resent
FROM tracking_event e
JOIN mail_recipient r ON r.id = e.recipient_id
JOIN mail_message m ON m.id = r.message_id
LEFT JOIN LATERAL (SELECT * FROM mail_attempt WHERE recipient_id = r.id ORDER BY number DESC LIMIT 1) a ON TRUE
LEFT JOIN mail_incidentresend d ON d.recipient_id = r.id
WHERE e.id > %(after)s AND e.type = ANY(%(types)s) AND e.occurred_at >= %(since)s AND e.occurred_at < %(until)s
  AND r.status = ANY(%(statuses)s) AND NOT m.is_test
  AND (%(project_id)s::uuid IS NULL OR e.project_id = %(project_id)s)
  AND (%(provider)s = '' OR %(provider)s IN (a.provider_id::text, a.provider_name))
  AND (%(error)s = '' OR %(error)s IN (a.code::text, a.enhanced_code, a.reason, r.status_reason, e.data ->> 'reason'))
  AND (%(like)s = '' OR concat_ws(' ', r.last_reply, a.reply) ILIKE %(like)s)
ORDER BY e.id LIMIT %(limit)s
"""


def list_affected(incident: IncidentFilter) -> Iterator[Affected]:
    """The affected recipients in the order in which they failed, read in pages."""
    text = incident.like
    values = {
        **asdict(incident),
        "like": text if not text or "%" in text else f"%{text}%",
        "types": [EventType.FAILED, EventType.BOUNCED],
        "statuses": [Status.FAILED, Status.BOUNCED],
        "limit": PAGE,
    }
    after = least_id_at(incident.since - CLOCKS)
    while True:
        page = fetch_as(Affected, _AFFECTED, {**values, "after": after})
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].event_id
