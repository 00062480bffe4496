"""Decides what the results of attempts mean: the recipient's next state, its next attempt, and suppressions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.envelope import Outcome, Reply
from delivery.judging.terms import About, Reason
from delivery.records import record
from delivery.retry import next_wait
from messages.feedback.closed_mailboxes import Mailbox, find_closed
from messages.message_events import record_status_events
from messages.models import Recipient
from messages.sending.claims import Claim
from messages.states import TRANSITIONS, OnUncertain, Status, StatusReason
from messages.transitions import Transition
from tracking.suppressions.identity_refusals import identity_refusals
from tracking.suppressions.reach import Cause
from tracking.suppressions.waves import Bounce, suppress_bounced

# The wait after a provider throttles without a time.
THROTTLED_WAIT = timedelta(seconds=30)
# Jitter needs no secrecy.
SPREAD = Random()  # noqa: S311

# The state and reason for each final outcome.
ENDS: dict[Outcome, tuple[Status, StatusReason]] = {
    Outcome.ACCEPTED: (Status.SENT, StatusReason.NONE),
    Outcome.DELIVERED: (Status.DELIVERED, StatusReason.NONE),
    Outcome.BOUNCED: (Status.BOUNCED, StatusReason.REFUSED),
    Outcome.FAILED: (Status.FAILED, StatusReason.PROVIDER_ERROR),
}


ENDS_WELL = frozenset({Outcome.ACCEPTED, Outcome.DELIVERED})


@record(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """An attempt with its reply."""

    claim: Claim
    reply: Reply
    provider_name: str
    # The reply is a failure of the provider, and another provider can take the message at once.
    has_other_provider: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRecipient:
    """A recipient that is still leased to us, locked, with its present state."""

    recipient_id: UUID
    message_id: UUID
    project_id: UUID
    address: str
    is_simulated: bool
    status: Status
    deferral_count: int
    on_uncertain: OnUncertain
    # Factor for the simulator's waits; 1 for real mail.
    time_scale: float
    # It holds a lease of ours; its message has no other recipient.
    is_leased: bool
    is_alone: bool
    # Since its message was queued.
    age_seconds: float

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.project_id, self.address.lower())


def suppress_refused(results: Sequence[tuple[AttemptResult, LeasedRecipient]]) -> set[Mailbox]:
    """Suppress addresses that do not exist, and those that stay disabled, each for its project. Returns those that are
    suppressed now. Refusals about our identity are counted. Simulated mail does neither.
    """
    refused = [
        (row, result.reply) for result, row in results if result.reply.outcome not in ENDS_WELL and not row.is_simulated
    ]
    if not refused:
        return set()
    count_identity_refusals(refused)
    bounced = [(row, reply) for row, reply in refused if reply.outcome is Outcome.BOUNCED]
    closed = find_closed(row.mailbox for row, reply in bounced if reply.reason is Reason.DISABLED)
    done = suppress_bounced(
        [
            Bounce(
                project_id=row.project_id,
                address=row.address,
                words=f"{reply.enhanced_code} {reply.text}".strip(),
                note=closed.get(row.mailbox, ""),
                message_id=row.message_id,
            )
            for row, reply in bounced
            if reply.should_suppress or row.mailbox in closed
        ]
    )
    return {Mailbox(bounce.project_id, bounce.address.lower()) for bounce in done}


def count_identity_refusals(real: Sequence[tuple[LeasedRecipient, Reply]]) -> None:
    """Count refusals about our identity by domain: many at several domains make a notice."""
    about_us = [(row, reply) for row, reply in real if reply.about is About.IDENTITY]
    if about_us:
        domains = Counter(row.address.rpartition("@")[2].lower() for row, _ in about_us)
        identity_refusals.note(domains, about_us[0][1].text)


def next_transition(result: AttemptResult, leased: LeasedRecipient) -> Transition:
    """The recipient's next state after this reply, with the time until the next attempt."""
    reply = result.reply
    wait: timedelta | None = None
    deferral_count = leased.deferral_count
    if reply.outcome in ENDS:
        status, reason = ENDS[reply.outcome]
    elif reply.outcome is Outcome.UNCERTAIN:
        status, reason = Status.DELIVERING, StatusReason.UNCERTAIN
        wait = settings.UNCERTAIN_WAIT if leased.on_uncertain is OnUncertain.RETRY else None
    else:
        status, reason = leased.status, StatusReason.DEFERRED
        if reply.has_reached:
            status = Status.DELIVERING
        if result.has_other_provider or reply.should_pause:
            # The provider rests, not the mail: it is due as soon as any provider is usable.
            wait = timedelta(0)
        elif reply.should_slow and not reply.has_reached:
            # Throttling says nothing about this message, so it does not count for the retry schedule.
            wait = reply.retry_after or THROTTLED_WAIT
        else:
            deferral_count += 1
            wait = max(next_wait(deferral_count, settings.RETRY_WAITS, SPREAD), reply.retry_after or timedelta(0))
    if status is not leased.status and status not in TRANSITIONS[leased.status]:
        # Feedback arrived before the reply and led to a later state.
        status, reason, wait = leased.status, StatusReason.NONE, None
    return Transition(
        recipient_id=result.claim.recipient_id,
        message_id=result.claim.message_id,
        status=status,
        reason=reason,
        wait=wait and wait * leased.time_scale,
        last_reply=reply.text,
        deferral_count=deferral_count,
    )


def suppress_recipients(causes: Mapping[UUID, Cause]) -> None:
    """Move recipients to `suppressed` without an attempt, and record their events; `causes` by recipient id."""
    with transaction.atomic():
        applied = Recipient.objects.filter(pk__in=list(causes)).move_to(Status.SUPPRESSED, StatusReason.SUPPRESSED)
        record_status_events(applied, {row.recipient_id: causes[row.recipient_id].event_data() for row in applied})
