"""Suppressed mail, and its resend when the address is released."""

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

# The limit for one release, because a year of suppressed mail within one minute is of no use to a recipient.
MAX_RESENT = 100
# An event has the time at which its transaction began, which may be shortly before the suppression's time.
SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRefusal:
    """A suppressed message whose resend was rejected, with the error."""

    message: Message
    error: ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """The result of a release. `left_count` is the number of older messages not resent because of MAX_RESENT."""

    suppression: Suppression
    resent: Sequence[Message] = ()
    refused: Sequence[ResendRefusal] = ()
    left_count: int = 0


def list_suppressed(suppression: Suppression, *, is_test: bool, since: datetime | None = None) -> QuerySet[Recipient]:
    """The recipients whose mail this suppression stopped, the newest first.

    Messages that were resent to them and messages that have expired are left out.
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
    """Remove an address from the project's suppression list and, if asked, resend its suppressed mail.

    Returns None when the address is not on the list. `since` leaves out mail that was suppressed before that time. One
    transaction covers the release and all resends. A message whose resend is rejected (its sender's domain was deleted,
    for example) appears in `refused` and does not change.
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
        # The resends are accepted in the order of the original messages.
        for pk in reversed(ids[:MAX_RESENT]):
            row = suppressed.select_related("message").get(pk=pk)
            try:
                resent.append(send_suppressed(key, row))
            except ApiError as error:
                refused.append(ResendRefusal(message=row.message, error=error))
        return ReleaseResult(suppression=suppression, resent=resent, refused=refused, left_count=len(ids[MAX_RESENT:]))


def send_suppressed(key: Caller, row: Recipient) -> Message:
    """Resend the message to this recipient alone; its expiry and a future `scheduled_at` are kept."""
    message = row.message
    admitted = admit_again(key, message, [row])
    is_ahead = message.scheduled_at is not None and message.scheduled_at > timezone.now()
    draft = replace(
        admitted.draft, scheduled_at=message.scheduled_at if is_ahead else None, expires_at=message.expires_at
    )
    return store_again(key, message, replace(admitted, draft=draft))
