"""Our suppressions in Resend's form.

Resend's list has what stops all mail to an address. So have ours the entries of `REASONS` for all streams; opt-outs and
entries of one stream are at `/api/v1/suppressions`. Source: https://resend.com/docs/api-reference/suppressions.
"""

from typing import Any
from uuid import UUID

from django.db.models import Q

from common.addresses import AddressError, parse_address
from common.errors import NotFoundError
from common.serializers import AddressField, StrictChoiceField, StrictSerializer
from common.times import format_time
from gateways.resend.paging import TwoWayQuery
from tracking.models import Suppression, SuppressionReason

# Named alike at Resend.
REASONS = (SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL)
STOPS_ALL = Q(stream=None, reason__in=REASONS)


class NewSuppression(StrictSerializer):
    """An address to suppress."""

    email = AddressField()


class SuppressionQuery(TwoWayQuery):
    """The list's parameters."""

    origin = StrictChoiceField(choices=[(reason.value, reason.label) for reason in REASONS], required=False)


def match_ref(ref: str) -> Q:
    """Matches the entry with this id, or those of this address. Raises NotFoundError for text that is neither."""
    try:
        return Q(pk=UUID(ref)) if "@" not in ref else Q(address=parse_address(ref).address.lower())
    except (ValueError, AddressError):
        raise NotFoundError from None


def show_suppression(row: Suppression) -> dict[str, Any]:
    """An entry in a list."""
    return {
        "id": str(row.pk),
        "email": row.address,
        "origin": row.reason,
        "source_id": str(row.message_id) if row.message_id else None,
        "created_at": format_time(row.created_at),
    }
