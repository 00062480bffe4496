"""Expired leases: the worker died, or lost its database. The phase of the attempt decides the next state."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.envelope import Outcome
from ledger.batches import run_batches
from ledger.sql import execute, fetch_as, fetch_column
from messages.message_events import record_status_events
from messages.states import OnUncertain, Phase, Status, StatusReason
from messages.transitions import Transition, apply_transitions

BATCH = 500
# A recipient whose attempts crash this many workers in a row is not retried.
MAX_CRASHES = 5

REPLIES = {
    Phase.STARTED: "The worker was lost before the message was sent.",
    Phase.DOT_SENT: "The worker was lost after the message was sent and before the reply was recorded.",
}
OUTCOMES = {Phase.STARTED: Outcome.DEFERRED, Phase.DOT_SENT: Outcome.UNCERTAIN}

# After a restart of PostgreSQL, the worker of an older claim may be alive and hold a reply that it could not record. It
# gets half a lease's time to record it, before the lease counts as lost and the message is sent again.
#
# Rows that another transaction has locked are left for the next tick.
_CANDIDATES = """
SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
JOIN mail_attempt a ON a.recipient_id = r.id AND a.number = r.attempt_count
WHERE r.lease_token IS NOT NULL AND r.lease_until < now()
  AND (a.claimed_at > pg_postmaster_start_time() OR pg_postmaster_start_time() < now() - %s)
LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLease:
    """A recipient with an expired lease, locked, and the phase of its attempt."""

    recipient_id: UUID
    message_id: UUID
    status: Status
    crash_count: int
    on_uncertain: OnUncertain
    attempt_id: int
    phase: Phase
    token: UUID


def sweep_lost_leases() -> int:
    """Set the next state of all recipients with expired leases, and return their number.

    Attempt not started: the claim is undone. Started, final dot not sent: due again, and no duplicate is possible.
    Dot sent: uncertain.
    """
    return run_batches(_sweep_batch)


def _sweep_batch() -> int:
    with transaction.atomic():
        lost = _read_lost(fetch_column(_CANDIDATES, [settings.LEASE_TIME / 2, BATCH]))
        if not lost:
            return 0
        _forget_unbegun([row for row in lost if row.phase is Phase.CLAIMED])
        begun = [row for row in lost if row.phase is not Phase.CLAIMED]
        _end_attempts(begun)
        present = {row.recipient_id: row.status for row in begun}
        applied = apply_transitions([choose_crash_transition(row) for row in begun], {row.token for row in begun})
        record_status_events(
            [row for row in applied if row.status is not present[row.recipient_id]],
            {row.recipient_id: {"reply": REPLIES[row.phase], "outcome": OUTCOMES[row.phase]} for row in begun},
        )
    return len(lost)


def choose_crash_transition(lost: LostLease) -> Transition:
    """The next state of a recipient whose worker was lost during the attempt."""
    crash_count = lost.crash_count + 1
    status, reason = lost.status, StatusReason.DEFERRED
    wait: timedelta | None = timedelta(0)
    if lost.phase is Phase.DOT_SENT:
        status, reason = Status.DELIVERING, StatusReason.UNCERTAIN
        if lost.on_uncertain is OnUncertain.HOLD:
            wait = None
    if crash_count >= MAX_CRASHES:
        status, reason, wait = Status.FAILED, StatusReason.WORKER_CRASH, None
    return Transition(
        recipient_id=lost.recipient_id,
        message_id=lost.message_id,
        status=status,
        reason=reason,
        wait=wait,
        last_reply=REPLIES[lost.phase],
        crash_count=crash_count,
    )


def _read_lost(locked: list[UUID]) -> list[LostLease]:
    """The phases of the attempts of locked recipients.

    A statement of its own: the attempts are read after the locks, so that a mark committed meanwhile is visible.
    """
    return fetch_as(
        LostLease,
        "SELECT r.id AS recipient_id, r.message_id, r.status, r.crash_count, m.on_uncertain, a.id AS attempt_id,"
        " a.phase, r.lease_token AS token"
        " FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id"
        " JOIN mail_attempt a ON a.recipient_id = r.id AND a.number = r.attempt_count WHERE r.id = ANY(%s)",
        [locked],
    )


def _forget_unbegun(lost: list[LostLease]) -> None:
    """Undo claims whose attempts never started; they count neither as attempts nor as crashes."""
    # With the recipient PostgreSQL looks only at the partition of its month.
    execute(
        "DELETE FROM mail_attempt a USING unnest(%s::uuid[], %s::bigint[]) AS v(recipient_id, id)"
        " WHERE a.recipient_id = v.recipient_id AND a.id = v.id",
        [[row.recipient_id for row in lost], [row.attempt_id for row in lost]],
    )
    execute(
        "UPDATE mail_recipient SET lease_token = NULL, lease_until = NULL, attempt_count = attempt_count - 1"
        " WHERE id = ANY(%s)",
        [[row.recipient_id for row in lost]],
    )


def _end_attempts(lost: list[LostLease]) -> None:
    execute(
        "UPDATE mail_attempt a SET phase = %s, finished_at = now(), outcome = v.outcome, reply = v.reply"
        " FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[]) AS v(recipient_id, id, outcome, reply)"
        " WHERE a.recipient_id = v.recipient_id AND a.id = v.id",
        [
            Phase.DONE,
            [row.recipient_id for row in lost],
            [row.attempt_id for row in lost],
            [OUTCOMES[row.phase] for row in lost],
            [REPLIES[row.phase] for row in lost],
        ],
    )
