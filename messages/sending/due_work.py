"""Which parts of the tick have work, by one statement: a tick of an idle service costs one round trip.

Each condition is met where the part itself finds something, and reads no more than the first entry of the part's index.
A part that waits for somebody, such as mail whose provider is paused, has its condition met meanwhile.
"""

from enum import StrEnum

from ledger.sql import Prepared, fetch
from messages.sending.queue.waiting import write_is_due
from messages.states import OPEN_STATUSES, Lane, Status, StatusReason


class DueWork(StrEnum):
    """The parts of the tick."""

    SCHEDULED = "scheduled"  # sending.schedule
    LOST = "lost"  # sending.lost_leases
    SENDERS = "senders"  # sending.senders
    PAUSES = "pauses"  # pausing.settling
    RECIPIENTS = "recipients"  # sending.claims, by a wake-up
    FEEDBACK = "feedback"  # feedback.recording
    EXPIRED = "expired"  # sending.expiry
    GUARD = "guard"  # guard.guard


# ruff: noqa: S608 - built from constants of this package
_LANES = ", ".join(f"('{lane}')" for lane in Lane)
_CONDITIONS = {
    DueWork.SCHEDULED: f"SELECT FROM mail_message WHERE status = '{Status.SCHEDULED}' AND scheduled_at <= now()"
    f" AND status_reason <> '{StatusReason.APPROVAL}'",
    DueWork.LOST: "SELECT FROM mail_recipient WHERE lease_token IS NOT NULL AND lease_until < now()",
    DueWork.SENDERS: f"SELECT FROM mail_recipient WHERE status_reason = '{StatusReason.SENDER_SUSPENDED}'"
    f" AND status IN ({OPEN_STATUSES}) AND lease_token IS NULL",
    # A pause that is not done with the mail in the queue, or mail that a pause or a cap holds.
    DueWork.PAUSES: f"SELECT WHERE EXISTS (SELECT FROM mail_recipient WHERE parked_by <> ''"
    f" AND status IN ({OPEN_STATUSES})) OR EXISTS (SELECT FROM mail_pause WHERE ended_at IS NULL"
    " AND (applied_at IS NULL OR dropping_at IS NOT NULL OR per_minute IS NOT NULL) AND kind <> 'provider')"
    " OR EXISTS (SELECT FROM mail_pause p WHERE ended_at IS NULL AND kind = 'provider'"
    " AND NOT EXISTS (SELECT FROM providers_provider WHERE id::text = p.value AND is_paused))",
    DueWork.RECIPIENTS: f"SELECT WHERE {' OR '.join(f'({write_is_due(lane)})' for lane in Lane)}",
    DueWork.FEEDBACK: "SELECT FROM mail_receivedfeedback WHERE due_at <= now()",
    # Lane by lane, as the index has them.
    DueWork.EXPIRED: f"SELECT WHERE EXISTS (SELECT FROM mail_recipient WHERE status = '{Status.SCHEDULED}'"
    f" AND status_reason = '{StatusReason.APPROVAL}' AND expires_at <= now()) OR EXISTS"
    f" (SELECT FROM (VALUES {_LANES}) AS lanes (lane), LATERAL (SELECT FROM mail_recipient r"
    f" WHERE r.lane = lanes.lane AND status IN ({OPEN_STATUSES}) AND expires_at <= now() AND lease_token IS NULL"
    " LIMIT 1) AS due)",
    DueWork.GUARD: "SELECT WHERE NOT EXISTS"
    " (SELECT FROM mail_guardstate WHERE judged_at > now() - interval '60 seconds')",
}
# Planning takes longer than looking, and a worker looks each second.
_FIND = Prepared("SELECT " + ", ".join(f"EXISTS ({condition})" for condition in _CONDITIONS.values()))


def find_due_work() -> set[DueWork]:
    """The parts that have something to do now."""
    [answers] = fetch(_FIND)
    return {work for work, is_due in zip(_CONDITIONS, answers, strict=True) if is_due}
