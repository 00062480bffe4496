"""Records a visit: its event with a provisional label, and the row by which the label is settled later.

A repeat of the pixel by the same program within a minute makes no event. Neither do visits beyond the limits, so that
nobody fills the log by loading a link again and again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.ids import new_id
from ledger.sql import execute, fetch, fetch_value
from tracking.engagement.bot_detection import Label
from tracking.engagement.networks import find_neighbourhood
from tracking.engagement.surroundings import EARLY, VisitRow, describe_visits, label_row
from tracking.events import Fact, record_facts
from tracking.message_tables import MESSAGES
from tracking.models import EventType

MAX_USER_AGENT = 500
MAX_PURPOSE = 200
REPEAT = timedelta(minutes=1)
# Events of opens and clicks for one recipient: within a minute, and in all.
MAX_PER_MINUTE = 50
MAX_VISITS = 500

_LOCK = f"SELECT now() FROM {MESSAGES} WHERE id = %s FOR NO KEY UPDATE"  # noqa: S608 - built from constants
_IS_REPEAT = """
SELECT 1 FROM tracking_visit WHERE recipient_id = %s AND visited_at > now() - %s
AND NOT is_click AND network = %s AND user_agent = %s LIMIT 1
"""
_COUNTS = f"""
SELECT (SELECT count(*) FROM tracking_visit WHERE recipient_id = %s AND visited_at > now() - interval '1 minute'),
       (SELECT count(*) FROM (SELECT 1 FROM tracking_event WHERE recipient_id = %s
        AND type IN ('{EventType.OPENED}', '{EventType.CLICKED}') LIMIT %s) AS visits)
"""  # noqa: S608 - built from constants
_INSERT = """
INSERT INTO tracking_visit (id, project_id, message_id, recipient_id, address, is_click, url, link, method, user_agent,
    purpose, ip, network, visited_at, is_early, actor, actor_reason, is_fixed, due_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now(), %s, %s, %s, %s, now() + %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The facts about a visitor in the request."""

    method: str
    user_agent: str
    ip: str
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSubject:
    """The visited recipient."""

    project_id: UUID
    message_id: UUID
    recipient_id: UUID
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedLink:
    """The followed link: its target, and its number in the message if that is known."""

    url: str
    number: int | None = None


def record_visit(subject: VisitSubject, visitor: Visitor, link: FollowedLink | None = None) -> None:
    """Record an open, or a click on `link`, unless it is a repeat or beyond a limit."""
    network = find_neighbourhood(visitor.ip)
    agent = visitor.user_agent[:MAX_USER_AGENT]
    with transaction.atomic():
        # Two requests at the same time must see each other; a deleted message has nothing to record.
        now = fetch_value(_LOCK, [subject.message_id])
        if now is None or not _has_room(subject):
            return
        if link is None and fetch_value(_IS_REPEAT, [subject.recipient_id, REPEAT, network, agent]):
            return
        row = _build_row(subject, visitor, link, network=network, visited_at=now)
        described = describe_visits([row])[row.id]
        found = label_row(described)
        data = {"actor": found.actor, "actor_reason": found.reason, "user_agent": agent, "ip": visitor.ip}
        _record_event(subject, row.id, link, data)
        age = described.visit.since_handover
        _insert(subject, row, link, found, is_early=age is not None and age < EARLY, is_fixed=False)


def record_reported_visit(
    subject: VisitSubject, data: Mapping[str, Any], *, link: FollowedLink | None, found: Label
) -> None:
    """Record a visit that an ESP reports, with the ESP's data and a label that stays. The caller locks the message."""
    if not _has_room(subject):
        return
    visitor = Visitor(method="GET", user_agent=str(data.get("user_agent", "")), ip="")
    row = _build_row(subject, visitor, link, network="", visited_at=None)
    _record_event(subject, row.id, link, {**data, "actor": found.actor, "actor_reason": found.reason})
    _insert(subject, row, link, found, is_early=False, is_fixed=True)


def _build_row(
    subject: VisitSubject, visitor: Visitor, link: FollowedLink | None, *, network: str, visited_at: datetime | None
) -> VisitRow:
    return VisitRow(
        id=new_id(),
        project_id=subject.project_id,
        message_id=subject.message_id,
        recipient_id=subject.recipient_id,
        is_click=link is not None,
        link=link.number if link else None,
        method=visitor.method,
        user_agent=visitor.user_agent[:MAX_USER_AGENT],
        purpose=visitor.purpose[:MAX_PURPOSE],
        ip=visitor.ip,
        network=network,
        visited_at=visited_at,
    )


def _has_room(subject: VisitSubject) -> bool:
    ((recent, all_),) = fetch(_COUNTS, [subject.recipient_id, subject.recipient_id, MAX_VISITS])
    return bool(recent < MAX_PER_MINUTE and all_ < MAX_VISITS)


def _record_event(subject: VisitSubject, event_id: UUID, link: FollowedLink | None, data: Mapping[str, Any]) -> None:
    place: dict[str, Any] = {}
    if link is not None:
        place = {"url": link.url} | ({} if link.number is None else {"link": str(link.number)})
    record_facts(
        [
            Fact(
                id=event_id,
                project_id=subject.project_id,
                message_id=subject.message_id,
                recipient_id=subject.recipient_id,
                address=subject.address,
                type=EventType.OPENED if link is None else EventType.CLICKED,
                data={"provisional": True, **place, **data},
            )
        ]
    )


def _insert(
    subject: VisitSubject, row: VisitRow, link: FollowedLink | None, found: Label, *, is_early: bool, is_fixed: bool
) -> None:
    execute(
        _INSERT,
        [
            *(row.id, row.project_id, row.message_id, row.recipient_id, subject.address, row.is_click),
            *(link.url if link else "", row.link, row.method, row.user_agent, row.purpose, row.ip, row.network),
            *(is_early, found.actor.value, found.reason, is_fixed, settings.TRACKING_SETTLE_TIME),
        ],
    )
