"""What waits in the queue of some projects, for the overview: read along indexes, by counts that end at a limit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.ids import least_id_at
from ledger.sql import fetch, fetch_as, fetch_column, fetch_value
from messages.sending.queue.waiting import QUEUED
from messages.states import OPEN_STATUSES, Lane, Status, StatusReason

# The most rows that a count reads, of all projects together.
MOST = 10_000
# Of one project, however many there are.
LEAST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBacklog:
    """Recipients of a lane that may be sent now, and those that wait for their next attempt.

    A number that has reached the limit of its count stands for more.
    """

    lane: Lane
    due: int = 0
    later: int = 0
    oldest_due_at: datetime | None = None


_OF_TENANT = f"""SELECT next_attempt_at FROM mail_recipient
    WHERE lane = v.lane AND is_simulated = s.is_simulated AND project_id = p.id AND {QUEUED}"""  # noqa: S608 - constants
_LANES = f"""
SELECT v.lane, sum(due.count)::bigint AS due, sum(later.count)::bigint AS later, min(due.oldest) AS oldest_due_at
FROM unnest(%(lanes)s::text[]) AS v(lane), unnest(%(projects)s::uuid[]) AS p(id),
    unnest(ARRAY[false, true]) AS s(is_simulated),
    LATERAL (SELECT count(*), min(next_attempt_at) AS oldest FROM (
        {_OF_TENANT} AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT %(most)s) head) due,
    LATERAL (SELECT count(*) FROM (
        {_OF_TENANT} AND next_attempt_at > now() ORDER BY next_attempt_at LIMIT %(most)s) head) later
GROUP BY v.lane
"""  # noqa: S608 - built from constants of this package
_OLDEST = f"""
SELECT head.message_id FROM unnest(%(projects)s::uuid[]) AS p(id), unnest(ARRAY[false, true]) AS s(is_simulated),
    LATERAL (
        SELECT message_id, next_attempt_at FROM mail_recipient
        WHERE lane = %(lane)s AND is_simulated = s.is_simulated AND project_id = p.id AND {QUEUED}
        AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT 1) head
ORDER BY head.next_attempt_at LIMIT 1
"""  # noqa: S608 - built from constants of this package
_SCHEDULED = f"""
SELECT COALESCE(sum(head.count), 0)::bigint FROM unnest(%(projects)s::uuid[]) AS p(id), LATERAL (
    SELECT count(*) FROM (SELECT FROM mail_message WHERE status = '{Status.SCHEDULED}' AND project_id = p.id
                          ORDER BY id DESC LIMIT %(most)s) rows) head
"""  # noqa: S608 - built from constants of this package
_APPROVAL = f"""
SELECT count(*) FROM (
    SELECT FROM mail_recipient WHERE status = '{Status.SCHEDULED}' AND status_reason = '{StatusReason.APPROVAL}'
    AND project_id = ANY(%(projects)s) ORDER BY expires_at LIMIT %(most)s) head
"""  # noqa: S608 - built from constants of this package
# The index on reasons leaves out mail without one.
_UNCERTAIN = f"""
SELECT COALESCE(sum(head.count), 0)::bigint FROM unnest(%(projects)s::uuid[]) AS p(id), LATERAL (
    SELECT count(*) FROM (
        SELECT FROM mail_recipient WHERE project_id = p.id AND status_reason = '{StatusReason.UNCERTAIN}'
        AND status_reason <> '' AND status = '{Status.DELIVERING}' AND next_attempt_at IS NULL AND lease_token IS NULL
        LIMIT %(most)s) rows) head
"""  # noqa: S608 - built from constants of this package
_PARKED = f"""
SELECT v.name, head.count FROM unnest(%(names)s::text[]) AS v(name), LATERAL (
    SELECT count(*) FROM (SELECT FROM mail_recipient WHERE parked_by = v.name AND parked_by <> ''
                          AND status IN ({OPEN_STATUSES}) LIMIT %(most)s) rows) head
"""  # noqa: S608 - built from constants of this package
_HAS_MAIL = """
SELECT EXISTS (SELECT FROM unnest(%s::uuid[]) AS p(id), LATERAL (
    SELECT FROM mail_message WHERE project_id = p.id ORDER BY id DESC LIMIT 1) head)
"""
_LATEST = """
SELECT head.id FROM unnest(%(statuses)s::text[]) AS s(status), unnest(%(projects)s::uuid[]) AS p(id), LATERAL (
    SELECT id FROM mail_message WHERE status = s.status AND project_id = p.id AND id >= %(first)s
    ORDER BY id DESC LIMIT %(limit)s) head
ORDER BY head.id DESC LIMIT %(limit)s
"""


def share_limit(projects: Collection[UUID]) -> int:
    """The most rows that a count reads of one project, so that many projects take no longer together."""
    return max(MOST // max(len(projects), 1), LEAST)


def read_lanes(projects: Collection[UUID]) -> Sequence[LaneBacklog]:
    """The backlog of every lane, in order."""
    values = {"lanes": list(Lane), "projects": list(projects), "most": share_limit(projects)}
    found = {row.lane: row for row in fetch_as(LaneBacklog, _LANES, values)}
    return [found.get(lane, LaneBacklog(lane=lane)) for lane in Lane]


def find_oldest_due(lane: Lane, projects: Collection[UUID]) -> UUID | None:
    """The message that is due for the longest time; None if nothing is due."""
    return next(iter(fetch_column(_OLDEST, {"lane": lane, "projects": list(projects)})), None)


def count_scheduled(projects: Collection[UUID]) -> int:
    return _count(_SCHEDULED, projects)


def count_unapproved(projects: Collection[UUID]) -> int:
    """Recipients of mail that waits for a person's approval."""
    return _count(_APPROVAL, projects)


def count_uncertain(projects: Collection[UUID]) -> int:
    """Recipients that wait for a person or a report, because the reply to their mail was lost."""
    return _count(_UNCERTAIN, projects)


def _count(statement: str, projects: Collection[UUID]) -> int:
    return int(fetch_value(statement, {"projects": list(projects), "most": share_limit(projects)}))


def count_parked(names: Collection[str]) -> Mapping[str, int]:
    """The number of recipients that each of these blocks holds, by the name in `Recipient.parked_by`."""
    return dict(fetch(_PARKED, {"names": list(names), "most": share_limit([])}))


def has_mail(projects: Collection[UUID]) -> bool:
    """Whether any of these projects has a message."""
    return bool(fetch_value(_HAS_MAIL, [list(projects)]))


def list_latest(
    projects: Collection[UUID], statuses: Collection[Status], since: datetime, limit: int
) -> Sequence[UUID]:
    """The ids of the latest messages in one of these states, the newest first."""
    values = {"projects": list(projects), "statuses": list(statuses), "first": least_id_at(since), "limit": limit}
    return fetch_column(_LATEST, values)
