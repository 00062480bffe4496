"""The states of a recipient, the one table of transitions between them, and the roll-up to a message's status.

No other module names a status by a literal.
"""

from collections.abc import Collection

from django.db.models import TextChoices


class Status(TextChoices):
    """The state of a recipient, and the roll-up of a message."""

    # Accepted; waits for `scheduled_at`.
    SCHEDULED = "scheduled"
    # Accepted; waits for a worker, or for a retry after attempts that never reached a provider.
    QUEUED = "queued"
    # A relay accepted it (SMTP 250), or an ESP did (HTTP 2xx). Delivery is not confirmed.
    SENT = "sent"
    # A conversation with the provider lasts longer than two seconds, a provider or MX deferred it or is still
    # processing it, or the outcome of an attempt is uncertain.
    DELIVERING = "delivering"
    # The recipient's MX accepted it, or an ESP's event or a success notification confirmed the delivery.
    DELIVERED = "delivered"
    # A permanent error of this service or of the provider, or the expiry time passed. For a message also: all its
    # recipients are suppressed.
    FAILED = "failed"
    # The recipient's side rejected it permanently, or a later bounce reported that, also after `delivered`.
    BOUNCED = "bounced"
    # The address is on the suppression list, so no attempt was made. A message is never suppressed itself.
    SUPPRESSED = "suppressed"
    # A scheduled message was cancelled before its time.
    CANCELLED = "cancelled"


S = Status

# A message is never suppressed: when all its recipients are, it has failed.
OF_MESSAGES = tuple(status for status in Status if status is not S.SUPPRESSED)

# States only move forward, along this table. A state without exits is terminal.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    S.SCHEDULED: frozenset({S.QUEUED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SENT, S.DELIVERING, S.DELIVERED, S.FAILED, S.BOUNCED, S.SUPPRESSED}),
    # Only feedback (a bounce message, an ESP's event) changes this state.
    S.SENT: frozenset({S.DELIVERING, S.DELIVERED, S.BOUNCED, S.FAILED}),
    S.DELIVERING: frozenset({S.SENT, S.DELIVERED, S.BOUNCED, S.FAILED}),
    # A bounce may follow after the MX accepted the message.
    S.DELIVERED: frozenset({S.BOUNCED}),
    S.FAILED: frozenset(),
    S.BOUNCED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.CANCELLED: frozenset(),
}

TERMINAL = frozenset(status for status, exits in TRANSITIONS.items() if not exits)

# A recipient in these states may get another attempt: it is due now, due later, or on hold for a person.
OPEN = frozenset({S.QUEUED, S.DELIVERING})
# The same for SQL: PostgreSQL uses an index on open recipients only if the statement names the states.
OPEN_STATUSES = ", ".join(f"'{status}'" for status in sorted(OPEN))

# A message's status is the first of these that any recipient has. Suppressed recipients count only when all are.
ROLL_UP = (S.QUEUED, S.SCHEDULED, S.DELIVERING, S.SENT, S.BOUNCED, S.FAILED, S.DELIVERED)
WHEN_ALL_SUPPRESSED = S.FAILED
WHEN_NONE_FITS = S.CANCELLED


def roll_up(statuses: Collection[Status]) -> Status:
    """The message's status for its recipients' `statuses`. `transitions.roll_up` computes the same in SQL."""
    for status in ROLL_UP:
        if status in statuses:
            return status
    return WHEN_ALL_SUPPRESSED if all(status is S.SUPPRESSED for status in statuses) else WHEN_NONE_FITS


# The message's column for the time at which it first reached the status.
TIMESTAMPS = {
    S.QUEUED: "queued_at",
    S.DELIVERED: "delivered_at",
    S.FAILED: "failed_at",
    S.BOUNCED: "bounced_at",
    S.CANCELLED: "cancelled_at",
}

# The first transition to one of these states sets the message's `sent_at`.
ACCEPTANCES = frozenset({S.SENT, S.DELIVERED})


class StatusReason(TextChoices):
    """The reason for a recipient's or message's state, for programs. `explain` gives the reason for people."""

    # The state needs no further reason.
    NONE = ""
    # The project has no enabled provider. Shown for a queued message, never stored.
    NO_PROVIDER = "no_provider"
    # None of the project's providers can be read: no key decrypts the stored settings. Shown, never stored.
    PROVIDER_UNREADABLE = "provider_unreadable"
    # The address is on the suppression list; for a message: the addresses of all its recipients are.
    SUPPRESSED = "suppressed"
    # The expiry time passed before a provider accepted the message.
    EXPIRED = "expired"
    # A person, or the guard, paused this mail. It is sent when the pause ends.
    PAUSED = "paused"
    # The project has sent as much as it may for now.
    CAP = "cap"
    # It waits for a person's approval; of a cancelled one: a person declined it, or nobody approved it in time.
    APPROVAL = "approval"
    # A person ended the mail while it was paused.
    DROPPED = "dropped"
    # The sender's domain is suspended; it is sent when the domain is verified again.
    SENDER_SUSPENDED = "sender_suspended"
    # The reason for which the sender was admitted is gone: the domain was deleted, for example.
    SENDER_NOT_VERIFIED = "sender_not_verified"
    # Five workers in a row crashed while they sent the message.
    WORKER_CRASH = "worker_crash"
    # The recipient's side rejected the message permanently.
    REFUSED = "refused"
    # The provider rejected the message permanently, for a reason that does not concern the recipient.
    PROVIDER_ERROR = "provider_error"
    # The message was sent, but its reply was lost: it is unknown whether the provider accepted it.
    UNCERTAIN = "uncertain"
    # The provider or the recipient's side deferred the message, or the attempt reached no provider; a retry follows.
    DEFERRED = "deferred"
    # A person settled the uncertain attempt.
    SETTLED = "settled"
    # The project was closed before the mail had gone out.
    PROJECT_CLOSED = "project_closed"
    # The address was erased before the mail to it had gone out.
    ERASED = "erased"


class Lane(TextChoices):
    """The priorities. Each lane is a separate queue, so that one lane cannot starve another."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BULK = "bulk"


class OnUncertain(TextChoices):
    """The handling of an uncertain attempt: it is unknown whether the provider accepted the message."""

    RETRY = "retry"
    HOLD = "hold"


class Phase(TextChoices):
    """The recorded progress of an attempt. After a crash, the phase decides whether a duplicate is possible."""

    CLAIMED = "claimed"
    STARTED = "started"
    DOT_SENT = "dot_sent"
    DONE = "done"
