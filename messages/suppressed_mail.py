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
from messages.states import Lane, Status
from tracking.models import Event, EventType, Suppression, SuppressionReason
from tracking.suppressions.service import EVERYTHING, Selection, release_suppressions

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
    """The result of a release: the removed entries of an address, the strongest first, and the resends.

    `left_count` is the number of older messages not resent because of MAX_RESENT.
    """

    suppressions: Sequence[Suppression]
    resent: Sequence[Message] = ()
    refused: Sequence[ResendRefusal] = ()
    left_count: int = 0


def list_suppressed(
    entries: Sequence[Suppression], *, is_test: bool, since: datetime | None = None
) -> QuerySet[Recipient]:
    """The recipients whose mail goes out when `entries` of one address are released, the newest first.

    These are the ones that an entry stopped and that no other present entry of the address stops. Messages that were
    resent to them and messages that have expired are left out.
    """
    project_id, address = entries[0].project_id, entries[0].address
    own = Recipient.objects.alias(lower=Lower("address")).filter(lower=address, project_id=project_id)
    others = Suppression.objects.filter(project_id=project_id, address=address, is_test=is_test)
    stopped, still_stopped = Q(pk__in=[]), Q(pk__in=[])
    for entry in entries:
        stopped |= reaches(entry) & Q(was_suppressed(entry, since))
    for entry in others.exclude(pk__in=[entry.pk for entry in entries]):
        still_stopped |= reaches(entry)
    again = own.filter(message__resent_from=OuterRef("message_id"))
    is_current = Q(message__expires_at=None) | Q(message__expires_at__gt=Now())
    suppressed = own.filter(is_current, stopped, ~still_stopped, status=Status.SUPPRESSED, message__is_test=is_test)
    return suppressed.filter(~Exists(again)).order_by("-message_id")


def reaches(entry: Suppression) -> Q:
    """Matches recipients whose mail the entry stops, by the rules of `tracking.suppressions.reach`."""
    reached = Q() if entry.stream is None else Q(message__stream=entry.stream)
    if entry.reason == SuppressionReason.UNSUBSCRIBE:
        reached &= Q(message__enable_unsubscribe=True) & ~Q(message__priority=Lane.CRITICAL)
    # An empty Q would vanish from a disjunction, and match nothing there.
    return reached or Q(pk__isnull=False)


def was_suppressed(entry: Suppression, since: datetime | None) -> Exists:
    """Matches recipients that were suppressed after the entry was made, and after `since`."""
    begun_at = entry.created_at - SKEW
    return Exists(
        Event.objects.filter(
            message_id=OuterRef("message_id"),
            recipient_id=OuterRef("pk"),
            type=EventType.SUPPRESSED,
            occurred_at__gte=max(begun_at, since or begun_at),
        )
    )


def release_address(
    key: Caller,
    address: str,
    selection: Selection = EVERYTHING,
    *,
    should_resend: bool = False,
    since: datetime | None = None,
) -> ReleaseResult | None:
    """Remove the selected entries of an address from the suppression list and, if asked, resend its suppressed mail.

    Returns None when the address has no such entry. `since` leaves out mail that was suppressed before that time. One
    transaction covers the release and all resends. A message whose resend is rejected (its sender's domain was deleted,
    for example) appears in `refused` and does not change.
    """
    with transaction.atomic():
        entries = release_suppressions(key.owner_id, address, selection, is_test=key.is_test)
        if not entries:
            return None
        if not should_resend:
            return ReleaseResult(suppressions=entries)
        suppressed = list_suppressed(entries, is_test=key.is_test, since=since)
        ids = list(suppressed.values_list("pk", flat=True))
        resent, refused = [], []
        # The resends are accepted in the order of the original messages.
        for pk in reversed(ids[:MAX_RESENT]):
            row = suppressed.select_related("message").get(pk=pk)
            try:
                resent.append(send_suppressed(key, row))
            except ApiError as error:
                refused.append(ResendRefusal(message=row.message, error=error))
        return ReleaseResult(suppressions=entries, resent=resent, refused=refused, left_count=len(ids[MAX_RESENT:]))


def send_suppressed(key: Caller, row: Recipient) -> Message:
    """Resend the message to this recipient alone; its expiry and a future `scheduled_at` are kept."""
    message = row.message
    admitted = admit_again(key, message, [row])
    is_ahead = message.scheduled_at is not None and message.scheduled_at > timezone.now()
    draft = replace(
        admitted.draft, scheduled_at=message.scheduled_at if is_ahead else None, expires_at=message.expires_at
    )
    return store_again(key, message, replace(admitted, draft=draft))
