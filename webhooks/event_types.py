"""Event types, shared by the writers of events and by the endpoints that subscribe to them."""

from django.db.models import TextChoices


class EventType(TextChoices):
    """Every event type. `scheduled`, `queued` and `cancelled` occur once per message, the others per recipient."""

    SCHEDULED = "email.scheduled"
    QUEUED = "email.queued"
    CANCELLED = "email.cancelled"
    SENT = "email.sent"
    DELIVERING = "email.delivering"
    DELIVERED = "email.delivered"
    BOUNCED = "email.bounced"
    FAILED = "email.failed"
    SUPPRESSED = "email.suppressed"
    OPENED = "email.opened"
    CLICKED = "email.clicked"
    OPENED_SETTLED = "email.opened.settled"
    CLICKED_SETTLED = "email.clicked.settled"
    COMPLAINED = "email.complained"
    UNSUBSCRIBED = "email.unsubscribed"


# An endpoint with this choice receives all event types, including those of later versions.
ALL = "*"
# The type of a test event. An endpoint receives it without subscribing.
TEST = "webhook.test"
