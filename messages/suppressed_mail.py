"""Mail that a suppression held back, and what becomes of it when the address is released."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.acting_for import Caller
from common.errors import ApiError
from messages.models import Message, Recipient
from messages.services import admit_again, store_again
from messages.states import Status
from tracking.models import Event, EventType, Suppression
from tracking.suppressions.service import release_suppression

# At one release; somebody who was away for a year does not want that year's mail in one minute.
MAX_RESENT = 100
# An event bears the time at which its transaction began, which may be before the suppression that it came upon.
SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRefusal:
    """A held message that may not be sent again, and why."""

    message: Message
    error: ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """What became of a release. `left_count` messages were held back too and not sent again: they were too many."""

    suppression: Suppression
    resent: Sequence[Message] = ()
    refused: Sequence[ResendRefusal] = ()
    left_count: int = 0


def list_suppressed(suppression: Suppression, *, is_test: bool, since: datetime | None = None) -> QuerySet[Recipient]:
    """The recipients that this suppression kept from getting mail, the newest first.

    Left out is what was sent to them again, and what is past its time: a one-time code of yesterday helps nobody.
    """
    begun_at = suppression.created_at - SKEW
    own = Recipient.objects.alias(lower=Lower("address")).filter(lower=suppression.address)
    suppressed = own.filter(project_id=suppression.project_id, status=Status.SUPPRESSED, message__is_test=is_test)
    was_suppressed = Event.objects.filter(
        message_id=OuterRef("message_id"),
        recipient_id=OuterRef("pk"),
        type=EventType.SUPPRESSED,
        occurred_at__gte=max(begun_at, since or begun_at),
    )
    again = own.filter(message__resent_from=OuterRef("message_id"), project_id=OuterRef("project_id"))
    is_current = Q(message__expires_at=None) | Q(message__expires_at__gt=Now())
    return suppressed.filter(is_current, Exists(was_suppressed), ~Exists(again)).order_by("-message_id")


def release_address(
    key: Caller, address: str, *, should_resend: bool = False, since: datetime | None = None
) -> ReleaseResult | None:
    """Take an address off the project's list, and send it what was held back; None where it is not on the list.

    `since` leaves out what was held back before. All in one transaction: an address is never released with its mail
    half sent. What may not be sent any more (the sender's domain is gone) is named and stays as it is.
    """
    with transaction.atomic():
        suppression = release_suppression(key.project_id, address)
        if suppression is None:
            return None
        if not should_resend:
            return ReleaseResult(suppression=suppression)
        suppressed = list_suppressed(suppression, is_test=key.is_test, since=since)
        ids = list(suppressed.values_list("pk", flat=True))
        resent, refused = [], []
        # Accepted in the order in which they were then.
        for pk in reversed(ids[:MAX_RESENT]):
            row = suppressed.select_related("message").get(pk=pk)
            try:
                resent.append(send_suppressed(key, row))
            except ApiError as error:
                refused.append(ResendRefusal(message=row.message, error=error))
        return ReleaseResult(suppression=suppression, resent=resent, refused=refused, left_count=len(ids[MAX_RESENT:]))


def send_suppressed(key: Caller, row: Recipient) -> Message:
    """The message as a new one, to this recipient alone; what was scheduled or expires still does."""
    message = row.message
    admitted = admit_again(key, message, [row])
    is_ahead = message.scheduled_at is not None and message.scheduled_at > timezone.now()
    draft = replace(
        admitted.draft, scheduled_at=message.scheduled_at if is_ahead else None, expires_at=message.expires_at
    )
    return store_again(key, message, replace(admitted, draft=draft))
