"""What can be told: the types of events, for those who write them and for endpoints that choose among them."""

from django.db.models import TextChoices


class EventType(TextChoices):
    """Every kind of event. `scheduled`, `queued` and `cancelled` are once per message, the others per recipient."""

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
    COMPLAINED = "email.complained"
    UNSUBSCRIBED = "email.unsubscribed"


# An endpoint's word for all of them, those of later versions too.
ALL = "*"
# What a test event has for its type. No endpoint needs to choose it.
TEST = "webhook.test"
