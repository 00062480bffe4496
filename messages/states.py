"""The states of a recipient, the one table of moves between them, and how a message's status follows from them.

No other module names a status by a literal.
"""

from collections.abc import Collection

from django.db.models import TextChoices


class Status(TextChoices):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


S = Status

# States only move forward, along this table; what has no exit is the end.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    S.SCHEDULED: frozenset({S.QUEUED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SENT, S.DELIVERING, S.DELIVERED, S.FAILED, S.BOUNCED, S.SUPPRESSED}),
    # Only feedback (a bounce mail, an ESP's event) moves what was handed over.
    S.SENT: frozenset({S.DELIVERING, S.DELIVERED, S.BOUNCED, S.FAILED}),
    S.DELIVERING: frozenset({S.SENT, S.DELIVERED, S.BOUNCED, S.FAILED}),
    # A bounce may come after the MX has taken it.
    S.DELIVERED: frozenset({S.BOUNCED}),
    S.FAILED: frozenset(),
    S.BOUNCED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.CANCELLED: frozenset(),
}

TERMINAL = frozenset(status for status, exits in TRANSITIONS.items() if not exits)

# Work may be left on a recipient in these states: it is due now, later, or held for a person.
OPEN = frozenset({S.QUEUED, S.DELIVERING})

# A message's status is the first of these that any recipient has. Suppressed recipients do not count, unless all are.
ROLL_UP = (S.QUEUED, S.SCHEDULED, S.DELIVERING, S.SENT, S.BOUNCED, S.FAILED, S.DELIVERED)
WHEN_ALL_SUPPRESSED = S.FAILED
WHEN_NONE_FITS = S.CANCELLED


def roll_up(statuses: Collection[Status]) -> Status:
    """A message's status, from its recipients' (`transitions.roll_up` says the same in SQL, from the same tables)."""
    for status in ROLL_UP:
        if status in statuses:
            return status
    return WHEN_ALL_SUPPRESSED if all(status is S.SUPPRESSED for status in statuses) else WHEN_NONE_FITS


# The column of the message that notes when it first reached the status.
TIMESTAMPS = {
    S.QUEUED: "queued_at",
    S.DELIVERED: "delivered_at",
    S.FAILED: "failed_at",
    S.BOUNCED: "bounced_at",
    S.CANCELLED: "cancelled_at",
}

# Reaching one of these is an acceptance: it sets the message's `sent_at`, once.
ACCEPTANCES = frozenset({S.SENT, S.DELIVERED})


class StatusReason(TextChoices):
    """Why a recipient or message is in its state, for programs. `explain` says the same for people."""

    NONE = ""
    NO_PROVIDER = "no_provider"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    WORKER_CRASH = "worker_crash"
    REFUSED = "refused"
    PROVIDER_ERROR = "provider_error"
    UNCERTAIN = "uncertain"
    DEFERRED = "deferred"
    SETTLED = "settled"


class Lane(TextChoices):
    """Priorities. Each is a queue of its own, so that none can starve another."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BULK = "bulk"


class OnUncertain(TextChoices):
    """What to do when it is unknown whether the other side took the message."""

    RETRY = "retry"
    HOLD = "hold"


class Phase(TextChoices):
    """How far an attempt went, as far as the database knows: what a crash leaves behind decides what it meant."""

    CLAIMED = "claimed"
    STARTED = "started"
    DOT_SENT = "dot_sent"
    DONE = "done"
