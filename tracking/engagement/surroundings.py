"""Reads the visits around visits, and the times at which their mail was handed over."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from ledger.sql import fetch
from tracking.engagement.bot_detection import (
    BEFORE,
    BURST,
    FILTER_TIME,
    Label,
    Surroundings,
    Visit,
    label,
)
from tracking.engagement.user_agents import MAIL_PROGRAM, Actor
from tracking.models import EventType

# A visit so soon after the hand-over may be one of a mail filter that visits many recipients.
EARLY = 2 * FILTER_TIME
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
# Opens that show a mail to a person count for so long as a sign that a click is a person's.
SHOWN_TIME = timedelta(hours=1)
# The first events of a message that contain the hand-over, even for 50 recipients.
FIRST_EVENTS = 400
# The visits from one network that are looked at, and the recipients that matter.
MAX_NEIGHBOURS = 200

HANDED_OVER = (EventType.SENT, EventType.DELIVERED)
# A provider that confirms late tells when the mail was delivered; the event's own time is that of the report.
_HANDOVERS = f"""
SELECT e.recipient_id, e.type, COALESCE((e.data ->> 'told_at')::timestamptz, e.occurred_at)
FROM unnest(%s::uuid[]) AS m(id) CROSS JOIN LATERAL (
    SELECT * FROM tracking_event WHERE message_id = m.id ORDER BY id LIMIT {FIRST_EVENTS}
) AS e
WHERE e.recipient_id = ANY(%s) AND e.type = ANY(%s)
"""  # noqa: S608 - built from constants
_OWN = """
SELECT recipient_id, visited_at, is_click, link, url, network, actor, user_agent FROM tracking_visit
WHERE recipient_id = ANY(%s) AND visited_at BETWEEN %s AND %s ORDER BY recipient_id, visited_at
"""
# Recipients whose mail was visited from the same network, and by the same client, at about the time of each visit.
_NEIGHBOURS = f"""
SELECT v.id,
       count(DISTINCT n.recipient_id) FILTER (WHERE n.is_early),
       count(DISTINCT n.recipient_id) FILTER (
           WHERE n.ip = v.ip AND n.user_agent = v.user_agent
           AND n.visited_at BETWEEN v.at - %(burst)s AND v.at + %(burst)s)
FROM unnest(%(ids)s::uuid[], %(projects)s::uuid[], %(networks)s::text[], %(ips)s::text[], %(agents)s::text[],
            %(times)s::timestamptz[]) AS v(id, project_id, network, ip, user_agent, at)
CROSS JOIN LATERAL (
    SELECT recipient_id, is_early, ip, user_agent, visited_at FROM tracking_visit t
    WHERE t.project_id = v.project_id AND t.network = v.network
      AND t.visited_at BETWEEN v.at - %(minute)s AND v.at + %(minute)s
    ORDER BY abs(extract(epoch FROM t.visited_at - v.at)) LIMIT {MAX_NEIGHBOURS}
) AS n
WHERE v.network <> '' GROUP BY v.id
"""  # noqa: S608 - built from constants


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """The columns of a visit that its label depends on. `visited_at` is None for a visit that happens now."""

    id: UUID
    project_id: UUID
    message_id: UUID
    recipient_id: UUID
    is_click: bool
    link: int | None
    method: str
    user_agent: str
    purpose: str
    ip: str
    network: str
    visited_at: datetime | None


class OwnVisit(NamedTuple):
    """A visit of the same recipient."""

    recipient_id: UUID
    visited_at: datetime
    is_click: bool
    link: int | None
    url: str
    network: str
    actor: str
    user_agent: str

    @property
    def target(self) -> str:
        """What was visited: a link by its number, else by its URL."""
        return self.url if self.link is None else str(self.link)


class Described(NamedTuple):
    """A visit with its surroundings."""

    visit: Visit
    around: Surroundings


def describe_visits(rows: Sequence[VisitRow]) -> Mapping[UUID, Described]:
    """Read what the labels of visits depend on, in three queries. Rows that are not stored yet count too."""
    handovers = read_handovers(rows)
    own = read_own_visits(rows)
    neighbours = read_neighbours(rows)
    return {
        row.id: Described(
            Visit(
                method=row.method,
                user_agent=row.user_agent,
                ip=row.ip,
                purpose=row.purpose,
                is_click=row.is_click,
                since_handover=find_age(time_of(row), handovers.get(row.recipient_id, ())),
            ),
            look_around(row, own.get(row.recipient_id, ()), neighbours.get(row.id, (0, 0))),
        )
        for row in rows
    }


def label_row(described: Described) -> Label:
    return label(described.visit, described.around)


def time_of(row: VisitRow) -> datetime:
    assert row.visited_at is not None, "only visits with a time are described"
    return row.visited_at


def read_handovers(rows: Sequence[VisitRow]) -> Mapping[UUID, Sequence[datetime]]:
    """The times at which each recipient's mail was handed over; those of a deferral without any."""
    wanted = [*HANDED_OVER, EventType.DELIVERING]
    found: dict[UUID, list[datetime]] = defaultdict(list)
    deferred: dict[UUID, list[datetime]] = defaultdict(list)
    messages, recipients = {row.message_id for row in rows}, {row.recipient_id for row in rows}
    for recipient_id, type_, at in fetch(_HANDOVERS, [list(messages), list(recipients), wanted]):
        (found if type_ in HANDED_OVER else deferred)[recipient_id].append(at)
    return {**deferred, **found}


def find_age(at: datetime, handovers: Sequence[datetime]) -> timedelta:
    """The time since the last hand-over before a visit; negative without one."""
    earlier = [handover for handover in handovers if handover <= at]
    return at - max(earlier) if earlier else BEFORE


def read_own_visits(rows: Sequence[VisitRow]) -> Mapping[UUID, Sequence[OwnVisit]]:
    times = [time_of(row) for row in rows]
    values = [list({row.recipient_id for row in rows}), min(times) - SHOWN_TIME, max(times) + MINUTE]
    visits = (OwnVisit(*columns) for columns in fetch(_OWN, values))
    return {recipient: list(group) for recipient, group in groupby(visits, lambda visit: visit.recipient_id)}


def read_neighbours(rows: Sequence[VisitRow]) -> Mapping[UUID, tuple[int, int]]:
    values = {
        "ids": [row.id for row in rows],
        "projects": [row.project_id for row in rows],
        "networks": [row.network for row in rows],
        "ips": [row.ip for row in rows],
        "agents": [row.user_agent for row in rows],
        "times": [time_of(row) for row in rows],
        "burst": BURST,
        "minute": MINUTE,
    }
    return {pk: (early, client) for pk, early, client in fetch(_NEIGHBOURS, values)}


def look_around(row: VisitRow, own: Sequence[OwnVisit], neighbours: tuple[int, int]) -> Surroundings:
    """Summarize the visits around a visit."""
    at = time_of(row)
    # A visit that is not stored yet is not among its recipient's; a stored one does not count twice.
    itself = OwnVisit(row.recipient_id, at, row.is_click, row.link, "", row.network, "", row.user_agent)
    seen = own if row.link is None else [*own, itself]
    near = [visit for visit in seen if visit.is_click and abs(visit.visited_at - at) <= MINUTE]
    # An open belongs to a burst of clicks if it came from the same network.
    bursts = near if row.is_click else [visit for visit in near if row.network and visit.network == row.network]
    targets = {visit.target for visit in near if visit.network == row.network}
    return Surroundings(
        burst_links=count_burst(at if row.is_click else None, bursts),
        minute_links=len(targets) if row.network else 0,
        network_recipients=neighbours[0],
        client_recipients=neighbours[1],
        was_shown=any(shows_mail(visit) and visit.visited_at + SECOND <= at for visit in own),
    )


def count_burst(at: datetime | None, clicks: Sequence[OwnVisit]) -> int:
    """The most different links that were followed within `BURST`, in a time that contains `at` if that is given."""
    most = 0
    for first in clicks:
        end = first.visited_at + BURST
        if at is not None and not first.visited_at <= at <= end:
            continue
        most = max(most, len({visit.target for visit in clicks if first.visited_at <= visit.visited_at <= end}))
    return most


def shows_mail(visit: OwnVisit) -> bool:
    """Whether a visit is an open by a person's mail program or by a proxy that shows images to a person."""
    if visit.is_click:
        return False
    return visit.actor == Actor.PROXY or (visit.actor == Actor.HUMAN and bool(MAIL_PROGRAM.search(visit.user_agent)))
