"""The only place that writes a recipient's state and the message's roll-up."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from ledger.sql import Prepared, as_ids, as_rows, execute, fetch_as, fetch_column
from messages.states import (
    ACCEPTANCES,
    ROLL_UP,
    TIMESTAMPS,
    TRANSITIONS,
    WHEN_ALL_SUPPRESSED,
    WHEN_NONE_FITS,
    Status,
    StatusReason,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One recipient's next state. If `status` is the present one, only the other columns are written."""

    recipient_id: UUID
    message_id: UUID
    status: Status
    reason: StatusReason = StatusReason.NONE
    # The time until the recipient is due, by the database's clock; None when no attempt follows.
    wait: timedelta | None = None
    last_reply: str | None = None
    deferral_count: int | None = None
    crash_count: int = 0

    def as_row(self, *, is_alone: bool = False) -> dict[str, object]:
        """The row for the statements of this module. `is_alone`: its message has no other recipient."""
        return {
            "recipient_id": str(self.recipient_id),
            "status": self.status,
            "reason": self.reason,
            "wait": self.wait,
            "last_reply": self.last_reply,
            "deferral_count": self.deferral_count,
            "crash_count": self.crash_count,
            "is_alone": is_alone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedTransition:
    """A recipient whose row was written; `status` is the new state."""

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    status: Status
    is_simulated: bool


def list_sources(target: Status) -> list[Status]:
    """The states from which `target` can be reached."""
    return [source for source, exits in TRANSITIONS.items() if target in exits]


# Every allowed pair (from, to), and each state with itself, for the WHERE clause of the UPDATE.
_PAIRS = ", ".join(
    f"('{source}', '{target}')" for source, exits in TRANSITIONS.items() for target in (*sorted(exits), source)
)

_TRANSITION = f"""
UPDATE mail_recipient r
SET status = v.status, status_reason = v.reason, next_attempt_at = now() + v.wait,
    last_reply = COALESCE(v.last_reply, r.last_reply), deferral_count = COALESCE(v.deferral_count, r.deferral_count),
    crash_count = v.crash_count, lease_token = NULL, lease_until = NULL, parked_by = ''
FROM jsonb_to_recordset(%s::jsonb) AS v(
    recipient_id uuid, status text, reason text, wait interval, last_reply text, deferral_count smallint,
    crash_count smallint, is_alone boolean
)
WHERE r.id = v.recipient_id AND (r.status, v.status) IN ({_PAIRS})
  AND (r.lease_token IS NULL OR r.lease_token = ANY(%s::uuid[]))
RETURNING r.id AS recipient_id, r.message_id, r.project_id, r.address, r.status, r.is_simulated
"""  # noqa: S608 - built from constants of this package


def lock_messages(message_ids: Iterable[UUID]) -> None:
    """Lock message rows in the order of their ids, until the transaction ends.

    Every writer of recipients' states calls this first. Without the lock, two workers with one recipient each would
    both roll up from data older than the other's commit, and leave the message `queued` for ever.
    """
    execute(
        "SELECT id FROM mail_message WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE",
        [as_ids(set(message_ids))],
    )


_LOCK_FREE = """
SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.id = ANY(%s::uuid[]) FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""


def lock_free_recipients(recipient_ids: Iterable[UUID]) -> set[UUID]:
    """Lock recipients and their messages, and return those that no other transaction has locked; never waits.

    For work in bulk: one row that somebody holds for long may not hold up the rows of others. The order of the locks
    does not matter, because a transaction that does not wait takes part in no deadlock.
    """
    return set(fetch_column(_LOCK_FREE, [as_ids(recipient_ids)]))


def apply_transitions(transitions: Sequence[Transition], tokens: Collection[UUID] = ()) -> list[AppliedTransition]:
    """Write `transitions`, release their leases and roll the messages up, in the caller's transaction.

    A row is written only if the table of transitions allows it, and if the row has no lease or a lease with one of
    `tokens`. Returns the written rows. A recipient that is not among them lost a race and did not change.
    """
    if not transitions:
        return []
    assert connection.in_atomic_block, "a transition and its roll-up are one transaction"
    lock_messages(transition.message_id for transition in transitions)
    rows = as_rows(transition.as_row() for transition in transitions)
    applied = fetch_as(AppliedTransition, _TRANSITION, [rows, as_ids(tokens)])
    roll_up(sorted({row.message_id for row in applied}))
    return applied


_IN_FLIGHT = f"""
UPDATE mail_recipient SET status = '{Status.DELIVERING}', status_reason = '{StatusReason.NONE}'
WHERE id = ANY(%s) AND lease_token = ANY(%s) AND status = '{Status.QUEUED}'
RETURNING id AS recipient_id, message_id, project_id, address, status, is_simulated
"""  # noqa: S608 - built from constants of this package


def show_in_flight(recipient_ids: Collection[UUID], tokens: Collection[UUID]) -> list[AppliedTransition]:
    """Move queued recipients that are leased under `tokens` to `delivering`; the leases stay. Returns the written rows.

    The caller holds the locks of the recipients and their messages.
    """
    applied = fetch_as(AppliedTransition, _IN_FLIGHT, [list(recipient_ids), list(tokens)])
    roll_up(sorted({row.message_id for row in applied}))
    return applied


def _case(column: str) -> str:
    """The SQL expression for a message's status, from its recipients' `column` by `states.ROLL_UP`."""
    ladder = " ".join(f"WHEN bool_or({column} = '{status}') THEN '{status}'" for status in ROLL_UP)
    return (
        f"CASE {ladder} WHEN bool_and({column} = '{Status.SUPPRESSED}') THEN '{WHEN_ALL_SUPPRESSED}' "
        f"ELSE '{WHEN_NONE_FITS}' END"
    )


_STAMPS = ", ".join(
    f"{column} = CASE WHEN n.status = '{status}' THEN COALESCE(m.{column}, now()) ELSE m.{column} END"
    for status, column in TIMESTAMPS.items()
)
_ACCEPTED = ", ".join(f"'{status}'" for status in sorted(ACCEPTANCES))

_ROLL_UP = Prepared(
    f"""
WITH n AS (
    SELECT message_id, {_case("status")} AS status, bool_or(status IN ({_ACCEPTED})) AS is_accepted,
           bool_and(status = '{Status.SUPPRESSED}') AS is_suppressed,
           jsonb_object_agg(status, status_reason ORDER BY position DESC) AS reasons
    FROM mail_recipient WHERE message_id = ANY(%s::uuid[]) GROUP BY message_id
)
UPDATE mail_message m
SET status = n.status,
    status_reason = CASE WHEN n.is_suppressed THEN '{StatusReason.SUPPRESSED}'
        ELSE COALESCE(n.reasons ->> n.status, '') END,
    sent_at = CASE WHEN n.is_accepted THEN COALESCE(m.sent_at, now()) ELSE m.sent_at END,
    {_STAMPS}
FROM n WHERE m.id = n.message_id
"""  # noqa: S608 - built from constants of this package
)


def roll_up(message_ids: Sequence[UUID]) -> None:
    """Set each message's status, reason and timestamps from its recipients. The caller has locked the messages."""
    if message_ids:
        execute(_ROLL_UP, [as_ids(message_ids)])


# The status of a recipient is that of its message where there is no other recipient. `move_to` alone leads to
# `suppressed`, and it rolls up by the query above.
_TRANSITION_AND_ALONE = Prepared(
    f"""
WITH written AS ({_TRANSITION.rstrip()}, v.is_alone, v.reason)
UPDATE mail_message m
SET status = n.status, status_reason = n.reason,
    sent_at = CASE WHEN n.status IN ({_ACCEPTED}) THEN COALESCE(m.sent_at, now()) ELSE m.sent_at END,
    {_STAMPS}
FROM written n WHERE m.id = n.message_id AND n.is_alone
  AND (m.status <> n.status OR m.status_reason <> n.reason)
"""  # noqa: S608 - built from constants of this package
)


def write_ends(rows: str) -> str:
    """Parts of a statement that give recipients the last state of their way, and the same to their messages.

    `rows` is an earlier part of it with locked recipients that are leased to the caller: `recipient_id`, `message_id`,
    `status`, `reply`. No other recipient has the same message, and each transition is allowed and a change.
    """
    return f"""
ends AS (
    UPDATE mail_recipient r
    SET status = e.status, status_reason = '{StatusReason.NONE}', next_attempt_at = NULL, last_reply = e.reply,
        crash_count = 0, lease_token = NULL, lease_until = NULL, parked_by = ''
    FROM {rows} e WHERE r.id = e.recipient_id
), messages AS (
    UPDATE mail_message m
    SET status = n.status, status_reason = '{StatusReason.NONE}',
        sent_at = CASE WHEN n.status IN ({_ACCEPTED}) THEN COALESCE(m.sent_at, now()) ELSE m.sent_at END,
        {_STAMPS}
    FROM {rows} n WHERE m.id = n.message_id
)"""  # noqa: S608 - built from constants of this package


def write_transitions(transitions: Sequence[Transition], tokens: Collection[UUID], alone_ids: Collection[UUID]) -> None:
    """`apply_transitions` without checks and result, so that it fits in a pipeline.

    The caller holds the messages' locks and has checked that each transition is allowed; none leads to `suppressed`.
    `alone_ids` are messages with one recipient: they take its status, without a query for the others.
    """
    rows = as_rows(transition.as_row(is_alone=transition.message_id in alone_ids) for transition in transitions)
    execute(_TRANSITION_AND_ALONE, [rows, as_ids(tokens)])
    roll_up(sorted({transition.message_id for transition in transitions} - set(alone_ids)))
