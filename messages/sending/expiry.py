"""The end of a recipient's time (`expires_at`): mail that is late is not sent.

The claim leaves expired recipients out, the mark of the final dot does so again, and the tick fails them. Expiry moves
only what is still open under the lock, and waits for no row that another transaction has locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from delivery.envelope import Outcome
from ledger.batches import run_batches
from ledger.sql import execute, fetch_as, fetch_column
from messages.message_events import record_message_events, record_status_events
from messages.models import Recipient
from messages.sending.claims import Claim
from messages.states import OPEN_STATUSES, Lane, Phase, Status, StatusReason
from messages.transitions import Transition, apply_transitions, lock_free_recipients
from tracking.models import EventType

BATCH = 500

# The conditions are checked on the locked row: a recipient that was sent or leased meanwhile does not expire.
_EXPIRED = f"""
SELECT r.id AS recipient_id, r.message_id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.lane = ANY(%s) AND r.status IN ({OPEN_STATUSES}) AND r.expires_at <= now() AND r.lease_token IS NULL
LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""  # noqa: S608 - built from constants of this package


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecipient:
    """An open recipient whose time has passed, locked with its message."""

    recipient_id: UUID
    message_id: UUID


def expire_due() -> int:
    """Fail every open recipient whose expiry time has passed, and cancel mail that nobody approved in time.

    Returns their number. Skips leased ones.
    """
    return run_batches(_expire_batch) + run_batches(_end_unapproved_batch)


def _expire_batch() -> int:
    with transaction.atomic():
        rows = fetch_as(ExpiredRecipient, _EXPIRED, [list(Lane), BATCH])
        applied = apply_transitions([build_expiry(row.recipient_id, row.message_id) for row in rows])
        record_status_events(applied, {row.recipient_id: {"reason": StatusReason.EXPIRED} for row in applied})
    return len(applied)


_UNAPPROVED = f"""
SELECT r.id AS recipient_id, r.message_id FROM mail_recipient r JOIN mail_message m ON m.id = r.message_id
WHERE r.status = '{Status.SCHEDULED}' AND r.status_reason = '{StatusReason.APPROVAL}' AND r.expires_at <= now()
ORDER BY r.expires_at, r.message_id LIMIT %s FOR NO KEY UPDATE OF m, r SKIP LOCKED
"""  # noqa: S608 - built from constants of this package


def _end_unapproved_batch() -> int:
    with transaction.atomic():
        rows = fetch_as(ExpiredRecipient, _UNAPPROVED, [BATCH])
        # All recipients of a message have one expiry; those beyond the batch come along, so that it ends at once.
        late = Recipient.objects.filter(message_id__in={row.message_id for row in rows}, status=Status.SCHEDULED)
        applied = late.move_to(Status.CANCELLED, StatusReason.APPROVAL)
        record_message_events(applied, EventType.CANCELLED)
    return len(applied)


def build_expiry(recipient_id: UUID, message_id: UUID, last_reply: str | None = None) -> Transition:
    """The transition of a recipient whose time has passed."""
    return Transition(
        recipient_id=recipient_id,
        message_id=message_id,
        status=Status.FAILED,
        reason=StatusReason.EXPIRED,
        last_reply=last_reply,
    )


BEFORE_REPLY = [Phase.STARTED, Phase.DOT_SENT]
EXPIRED_REPLY = "Its time was over before it was handed over, so it was not sent."
# On locked rows. The attempt has not sent the dot, even if its phase says so: its permit was refused, or had grown old.
_LATE = "SELECT id FROM mail_recipient WHERE id = ANY(%s) AND lease_token = ANY(%s) AND expires_at <= now()"
_END_ATTEMPTS = """
UPDATE mail_attempt SET phase = %s, finished_at = now(), outcome = %s, reply = %s
WHERE id = ANY(%s) AND recipient_id = ANY(%s) AND phase = ANY(%s)
"""


def expire_leased(claims: Sequence[Claim]) -> None:
    """Fail those of this worker's recipients whose time passed before the final dot, and end their attempts.

    A recipient that another transaction has locked is left to the sweep of lost leases and to the tick.
    """
    with transaction.atomic():
        free = lock_free_recipients(claim.recipient_id for claim in claims)
        tokens = list({claim.token for claim in claims})
        late = set(fetch_column(_LATE, [list(free), tokens]))
        attempts = [claim.attempt_id for claim in claims]
        execute(_END_ATTEMPTS, [Phase.DONE, Outcome.FAILED, EXPIRED_REPLY, attempts, list(late), BEFORE_REPLY])
        ended = [claim for claim in claims if claim.recipient_id in late]
        applied = apply_transitions(
            [build_expiry(claim.recipient_id, claim.message_id, EXPIRED_REPLY) for claim in ended], tokens
        )
        numbers = {claim.recipient_id: claim.number for claim in ended}
        record_status_events(
            applied,
            {
                row.recipient_id: {"attempt": numbers[row.recipient_id], "reason": StatusReason.EXPIRED}
                for row in applied
            },
        )
