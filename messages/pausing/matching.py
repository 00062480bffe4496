"""Which mail a pause covers: one SQL condition for the claim, the start and the end of a pause, and for explain."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.sql import as_rows, fetch_as, fetch_column
from messages.models import Message, Recipient
from messages.pause_models import PauseKind
from messages.pausing.names import PAUSE
from messages.states import OPEN_STATUSES, Lane, Status, StatusReason

# Of `mail_pause p`, `mail_recipient r` and its `mail_message m`.
COVERS = f"""
    (p.project_id IS NULL OR p.project_id = r.project_id)
    AND (p.per_minute IS NULL OR r.lane = '{Lane.BULK}')
    AND (NOT p.only_opt_out OR (m.enable_unsubscribe AND r.lane <> '{Lane.CRITICAL}'))
    AND NOT (p.is_by_guard AND r.is_simulated)
    AND CASE p.kind
        WHEN '{PauseKind.PROJECT}' THEN TRUE
        WHEN '{PauseKind.KEY}' THEN m.api_key_id::text = p.value
        WHEN '{PauseKind.STREAM}' THEN m.stream = p.value
        WHEN '{PauseKind.TEMPLATE}' THEN m.template_id::text = p.value
        WHEN '{PauseKind.TAG}' THEN m.tags @> ARRAY[p.value]
        WHEN '{PauseKind.BATCH}' THEN m.batch_id::text = p.value
        WHEN '{PauseKind.SENDER_DOMAIN}' THEN right(lower(m.from_address), length(p.value) + 1) = '@' || p.value
        WHEN '{PauseKind.RECIPIENT_DOMAIN}' THEN r.domain = p.value
        WHEN '{PauseKind.MAILBOX_PROVIDER}' THEN r.domain = ANY(p.domains)
        ELSE FALSE END
"""
_ROWS = "mail_pause p, mail_recipient r JOIN mail_message m ON m.id = r.message_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """A recipient that a pause covers. `is_slow`: the pause lets mail through at a pace."""

    recipient_id: UUID
    pause_id: UUID
    is_slow: bool


_COVERED = f"""
SELECT DISTINCT ON (r.id) r.id AS recipient_id, p.id AS pause_id, p.per_minute IS NOT NULL AS is_slow
FROM {_ROWS}
WHERE p.ended_at IS NULL AND r.id = ANY(%s) AND {COVERS}
ORDER BY r.id, is_slow, p.id
"""  # noqa: S608 - built from constants of this package


def find_covered(recipient_ids: Sequence[UUID]) -> list[Covered]:
    """The pause of each recipient that has one: one that stops it comes before one that slows it."""
    return fetch_as(Covered, _COVERED, [list(recipient_ids)])


# The pause that has parked it comes first among those that stop it, and these before those that slow it.
_COVERING = f"""
SELECT r.id AS recipient_id, p.id AS pause_id, p.per_minute IS NOT NULL AS is_slow
FROM {_ROWS} WHERE p.ended_at IS NULL AND r.message_id = %s AND {COVERS}
ORDER BY is_slow, r.parked_by <> '{PAUSE}' || p.id, p.id
"""  # noqa: S608 - built from constants of this package


def find_covering(message_id: UUID) -> list[Covered]:
    """The pauses that hold for each of a message's recipients, parked or not; the one to be told of comes first."""
    return fetch_as(Covered, _COVERING, [message_id])


# Ended pauses are kept: what held the mail back when its time was over is known later too.
_COVERED_AT_EXPIRY = f"""
SELECT r.id AS recipient_id, p.id AS pause_id, p.per_minute IS NOT NULL AS is_slow
FROM {_ROWS} WHERE r.message_id = %s AND r.status = '{Status.FAILED}' AND r.status_reason = '{StatusReason.EXPIRED}'
  AND p.created_at <= r.expires_at AND (p.ended_at IS NULL OR p.ended_at > r.expires_at) AND {COVERS}
ORDER BY is_slow, p.id
"""  # noqa: S608 - built from constants of this package


def find_covered_at_expiry(message_id: UUID) -> list[Covered]:
    """The pauses that held for each of a message's expired recipients at its expiry; the one to be told comes first."""
    return fetch_as(Covered, _COVERED_AT_EXPIRY, [message_id])


# Rows that are not stored, as JSON.
_STOPPED = f"""
SELECT DISTINCT r.id
FROM mail_pause p, jsonb_populate_recordset(NULL::mail_recipient, %s::jsonb) r,
    jsonb_populate_record(NULL::mail_message, %s::jsonb) m
WHERE p.ended_at IS NULL AND p.per_minute IS NULL AND {COVERS}
"""  # noqa: S608 - built from constants of this package


def find_stopped_by_pause(message: Message, recipients: Sequence[Recipient]) -> set[UUID]:
    """Those recipients of a message that is not stored whose mail a pause would stop now."""
    rows = as_rows(
        {name: getattr(row, name) for name in ("id", "project_id", "lane", "is_simulated", "domain")}
        for row in recipients
    )
    names = ("enable_unsubscribe", "api_key_id", "stream", "template_id", "tags", "batch_id", "from_address")
    about = json.dumps({name: getattr(message, name) for name in names}, default=str)
    return set(fetch_column(_STOPPED, [rows, about]))


# Along the queue's index of a project, if the pause has one. Recipients that crashed a worker are left to the claim.
_QUEUED = f"""
SELECT r.id FROM {_ROWS}
WHERE p.id = %(pause)s AND r.lease_token IS NULL AND r.parked_by = '' AND r.crash_count = 0
  AND r.next_attempt_at IS NOT NULL AND r.lane = ANY(%(lanes)s) AND r.is_simulated = ANY(%(simulated)s)
  AND {{project}} AND r.status IN ({OPEN_STATUSES}) AND {COVERS}
LIMIT %(limit)s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""  # noqa: S608 - built from constants of this package
_OF_PROJECT = _QUEUED.format(project="r.project_id = %(project)s")
_OF_ALL = _QUEUED.format(project="%(project)s::uuid IS NULL")


def lock_queued(pause_id: UUID, project_id: UUID | None, limit: int) -> Sequence[UUID]:
    """Lock recipients in the queue that the pause covers and nothing has parked yet, and return their ids."""
    values = {"pause": pause_id, "project": project_id, "limit": limit, "lanes": list(Lane), "simulated": [False, True]}
    return fetch_column(_OF_PROJECT if project_id else _OF_ALL, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Droppable:
    """An open recipient that a pause covers, locked with its message."""

    recipient_id: UUID
    message_id: UUID


# What a provider has accepted and only tells no result of is not ours to end.
_DROPPABLE = f"""
SELECT r.id AS recipient_id, r.message_id FROM {_ROWS}
WHERE p.id = %(pause)s AND m.status IN ({OPEN_STATUSES}) AND {{project}}
  AND r.status IN ({OPEN_STATUSES}) AND r.lease_token IS NULL AND m.created_at <= p.dropping_at
  AND NOT (r.status = '{Status.DELIVERING}' AND r.next_attempt_at IS NULL
           AND r.status_reason NOT IN ('{StatusReason.UNCERTAIN}', '{StatusReason.SENDER_SUSPENDED}'))
  AND {COVERS}
LIMIT %(limit)s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""  # noqa: S608 - built from constants of this package
_DROPPABLE_OF_PROJECT = _DROPPABLE.format(project="m.project_id = %(project)s")
_DROPPABLE_OF_ALL = _DROPPABLE.format(project="%(project)s::uuid IS NULL")


def lock_droppable(pause_id: UUID, project_id: UUID | None, limit: int) -> list[Droppable]:
    """Lock recipients, parked or not, that the drop of a pause ends."""
    values = {"pause": pause_id, "project": project_id, "limit": limit}
    return fetch_as(Droppable, _DROPPABLE_OF_PROJECT if project_id else _DROPPABLE_OF_ALL, values)
