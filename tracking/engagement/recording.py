"""Records opens and clicks with the most likely actor."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from common.ids import least_id_at
from ledger.sql import fetch_one_as
from tracking.engagement.bot_detection import MANY_LINKS_WINDOW, Visit, label
from tracking.engagement.tokens import Token
from tracking.events import Fact, record_facts
from tracking.message_tables import RECIPIENTS
from tracking.models import EventType

# The number of first events that contain the delivery, even for 50 recipients; and the number of last events that
# contain all clicks of a program that follows every link.
FIRST_EVENTS = 400
LAST_EVENTS = 50

# One statement reads the recipient, the link's target, the time of delivery and the number of other links that were
# followed just before. A log may contain thousands of visits, so both sub-queries have limits. The recipient's table
# belongs to a higher package; this package depends on its schema, not on its code.
_SUBJECT = f"""
SELECT r.id AS recipient_id, r.project_id, r.message_id, r.address, r.is_simulated,
       (SELECT l.urls[%(link)s::int + 1] FROM tracking_trackedlinks l WHERE l.message_id = r.message_id) AS url,
       (SELECT e.occurred_at FROM
            (SELECT * FROM tracking_event WHERE message_id = r.message_id ORDER BY id LIMIT {FIRST_EVENTS}) e
        WHERE e.recipient_id = r.id AND e.type = %(delivered)s ORDER BY e.id LIMIT 1) AS delivered_at,
       (SELECT count(DISTINCT e.data ->> 'link') FROM
            (SELECT * FROM tracking_event WHERE message_id = r.message_id AND id > %(recent)s
             ORDER BY id DESC LIMIT {LAST_EVENTS}) e
        WHERE e.recipient_id = r.id AND e.type = %(clicked)s AND e.data ->> 'link' <> %(link)s::int::text)
       AS recent_links
FROM {RECIPIENTS} r WHERE r.id = %(recipient)s
"""  # noqa: S608 - built from constants
MAX_USER_AGENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRecipient:
    """The recipient of a token, with the target of its link; `url` is None if the message has no such link."""

    recipient_id: UUID
    project_id: UUID
    message_id: UUID
    address: str
    is_simulated: bool
    url: str | None
    delivered_at: datetime | None
    recent_links: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The facts about a visitor in the request."""

    method: str
    user_agent: str
    ip: str
    purpose: str = ""


def find_tracked_recipient(token: Token) -> TrackedRecipient | None:
    """Find the recipient of a token; None if the recipient was deleted (retention, erasure)."""
    return fetch_one_as(
        TrackedRecipient,
        _SUBJECT,
        {
            "recipient": token.recipient_id,
            "delivered": EventType.DELIVERED,
            "clicked": EventType.CLICKED,
            "recent": least_id_at(timezone.now() - MANY_LINKS_WINDOW),
            "link": token.link,
        },
    )


def record_open(subject: TrackedRecipient, client: Visitor) -> None:
    _record_visit(subject, EventType.OPENED, _visit_event_data(subject, client, is_click=False))


def record_click(subject: TrackedRecipient, client: Visitor, token: Token) -> None:
    target = {"url": subject.url, "link": str(token.link)}
    _record_visit(subject, EventType.CLICKED, {**target, **_visit_event_data(subject, client, is_click=True)})


def _visit_event_data(subject: TrackedRecipient, client: Visitor, *, is_click: bool) -> dict[str, Any]:
    since = timezone.now() - subject.delivered_at if subject.delivered_at else None
    visit = Visit(
        method=client.method,
        user_agent=client.user_agent,
        ip=client.ip,
        purpose=client.purpose,
        since_delivery=since,
        recent_links=subject.recent_links if is_click else 0,
        is_click=is_click,
    )
    found = label(visit)
    return {
        "actor": found.actor,
        "actor_reason": found.reason,
        "user_agent": client.user_agent[:MAX_USER_AGENT],
        "ip": client.ip,
    }


def _record_visit(subject: TrackedRecipient, type_: EventType, data: dict[str, Any]) -> None:
    with transaction.atomic():
        record_facts(
            [
                Fact(
                    project_id=subject.project_id,
                    message_id=subject.message_id,
                    recipient_id=subject.recipient_id,
                    address=subject.address,
                    type=type_,
                    data=data,
                )
            ]
        )
