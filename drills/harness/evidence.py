"""The evidence of a drill: accepted recipients, the state in the database, and the mail in the sinks' journals."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from delivery.envelope import Outcome
from messages.models import Attempt, Recipient
from messages.states import OnUncertain, Phase, Status, StatusReason
from tracking.models import Event

# The number of lease durations after which an expired lease must have been noticed.
GRACE_LEASES = 5


@dataclass(frozen=True, slots=True)
class Accepted:
    """A recipient of an email that was accepted with 202."""

    email_id: UUID
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    number: int
    phase: Phase
    outcome: str
    claimed_at: datetime
    finished_at: datetime | None

    @property
    def is_uncertain(self) -> bool:
        """Whether the outcome is inherently unknown: it counts for the window."""
        return self.outcome == Outcome.UNCERTAIN or self.phase == Phase.DOT_SENT


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow:
    """A recipient in the database, with its history in order."""

    email_id: UUID
    message_id: str
    address: str
    status: Status
    reason: str
    message_status: Status
    is_due: bool
    is_leased: bool
    on_uncertain: OnUncertain
    # Whether the provider reported the outcome later, or a person settled it: then no attempt needs to know it.
    is_told: bool = False
    attempts: Sequence[AttemptRow] = ()
    # The states in its events, those of the whole message included.
    path: Sequence[Status] = ()

    @property
    def key(self) -> Accepted:
        return Accepted(self.email_id, self.address)

    @property
    def is_pending(self) -> bool:
        """Whether it legitimately waits: for its time, a worker, a person, or the domain of its sender."""
        is_held = self.status is Status.DELIVERING and self.reason == StatusReason.UNCERTAIN
        is_for_a_person = is_held and self.on_uncertain is OnUncertain.HOLD
        is_for_domain = self.reason == StatusReason.SENDER_SUSPENDED
        return self.status is Status.SCHEDULED or self.is_due or self.is_leased or is_for_a_person or is_for_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`taken` contains (message-id, address) of every mail in a sink's journal, duplicates included."""

    accepted: Sequence[Accepted]
    recipients: Sequence[RecipientRow]
    taken: Sequence[tuple[str, str]]


def collect_recipients(project_ids: Collection[UUID]) -> list[RecipientRow]:
    """All data about these projects' mail in the database."""
    # A lease that expired long ago and was never swept is no legitimate reason to wait.
    overdue = timezone.now() - GRACE_LEASES * settings.LEASE_TIME
    attempts = collect_attempts(project_ids)
    whole, single = collect_paths(project_ids)
    feedback = Event.objects.filter(project_id__in=project_ids, data__has_key="source")
    told = set(feedback.values_list("recipient_id", flat=True))
    rows = (
        Recipient.objects.filter(project_id__in=project_ids)
        .select_related("message")
        .order_by("message_id", "position")
    )
    return [
        RecipientRow(
            email_id=row.message_id,
            message_id=row.message.message_id,
            address=row.address,
            status=Status(row.status),
            reason=row.status_reason,
            message_status=Status(row.message.status),
            # A leased row is not available to other workers, due or not.
            is_due=row.next_attempt_at is not None and row.lease_token is None,
            is_leased=row.lease_until is not None and row.lease_until > overdue,
            on_uncertain=OnUncertain(row.message.on_uncertain),
            is_told=row.pk in told or row.status_reason == StatusReason.SETTLED,
            attempts=attempts.get(row.pk, []),
            path=join_path(whole.get(row.message_id, []), single.get(row.pk, [])),
        )
        for row in rows
    ]


def collect_attempts(project_ids: Collection[UUID]) -> dict[UUID, list[AttemptRow]]:
    """Attempts by recipient, in order."""
    found: dict[UUID, list[AttemptRow]] = {}
    for row in Attempt.objects.filter(recipient__project_id__in=project_ids).order_by("number"):
        found.setdefault(row.recipient_id, []).append(
            AttemptRow(
                number=row.number,
                phase=Phase(row.phase),
                outcome=row.outcome,
                claimed_at=row.claimed_at,
                finished_at=row.finished_at,
            )
        )
    return found


# Events of one message are numbered in causal order, independent of the writers' clocks.
Steps = dict[UUID, list[tuple[int, Status]]]


def join_path(whole: Sequence[tuple[int, Status]], single: Sequence[tuple[int, Status]]) -> list[Status]:
    """A recipient's states. What happens to its message later does not concern one that was cancelled by itself."""
    cancelled_at = min((at for at, status in single if status is Status.CANCELLED), default=None)
    common = [step for step in whole if cancelled_at is None or step[0] < cancelled_at]
    return [status for _, status in sorted([*common, *single])]


def collect_paths(project_ids: Collection[UUID]) -> tuple[Steps, Steps]:
    """The states in events, by message (for the whole message) and by recipient, each with its position."""
    whole: Steps = {}
    single: Steps = {}
    events = Event.objects.filter(project_id__in=project_ids).values_list(
        "serial", "message_id", "recipient_id", "type"
    )
    for serial, message_id, recipient_id, kind in events:
        name = kind.removeprefix("email.")
        if name in Status.values:
            bucket = single if recipient_id else whole
            bucket.setdefault(recipient_id or message_id, []).append((serial, Status(name)))
    return whole, single
