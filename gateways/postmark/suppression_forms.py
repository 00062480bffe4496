"""Our suppressions in Postmark's form. Source: https://postmarkapp.com/developer/api/suppressions-api."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from rest_framework import serializers

from common.serializers import AddressField, StrictChoiceField, StrictSerializer
from common.times import format_time
from gateways.postmark.queries import AnyCaseQuery, MomentField
from tracking.models import Suppression, SuppressionReason, SuppressionWay

MANUAL = "ManualSuppression"
# Postmark's reason for each of ours: an opt-out is a manual one whose origin is the recipient.
REASONS: Mapping[str, str] = {
    SuppressionReason.BOUNCE: "HardBounce",
    SuppressionReason.COMPLAINT: "SpamComplaint",
    SuppressionReason.UNSUBSCRIBE: MANUAL,
    SuppressionReason.MANUAL: MANUAL,
}
RECIPIENT, CUSTOMER = "Recipient", "Customer"
BY_CUSTOMER = (SuppressionWay.API, SuppressionWay.IMPORT)
# Postmark's limit of a request.
MAX_ADDRESSES = 50


class SuppressionDumpQuery(AnyCaseQuery):
    """The parameters of a dump."""

    suppressionReason = StrictChoiceField(choices=sorted(set(REASONS.values())), required=False)  # noqa: N815
    origin = StrictChoiceField(choices=[RECIPIENT, CUSTOMER, "Admin"], required=False)
    fromdate = MomentField(required=False)
    todate = MomentField(required=False, is_end=True)
    emailAddress = AddressField(required=False)  # noqa: N815  Postmark's names

    def rename(self, data: Any) -> Any:
        """Their values come in any case too: the documentation has `origin=recipient`."""
        renamed = super().rename(data)
        for name in ("suppressionReason", "origin"):
            known = {choice.lower(): choice for choice in self.fields[name].choices}  # type: ignore[attr-defined]
            renamed.setlist(name, [known.get(text.lower(), text) for text in renamed.getlist(name)])
            if not renamed.getlist(name):
                del renamed[name]
        return renamed


class AddressList(StrictSerializer):
    """`{"Suppressions": [{"EmailAddress": …}]}`. Each address is answered by itself, so wrong ones are taken here."""

    Suppressions = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=MAX_ADDRESSES)


def list_addresses(values: Mapping[str, Any]) -> list[Any]:
    return [item.get("EmailAddress") for item in values["Suppressions"]]


def match_dump(query: Mapping[str, Any]) -> Q:
    """The condition of a dump's parameters."""
    matched = Q()
    if "suppressionReason" in query:
        matched &= Q(reason__in=[ours for ours, theirs in REASONS.items() if theirs == query["suppressionReason"]])
    if "origin" in query:
        by_customer = Q(way__in=BY_CUSTOMER)
        matched &= {CUSTOMER: by_customer, RECIPIENT: ~by_customer}.get(query["origin"], Q(pk=None))
    if "fromdate" in query:
        matched &= Q(created_at__gte=query["fromdate"])
    if "todate" in query:
        matched &= Q(created_at__lte=query["todate"])
    if "emailAddress" in query:
        matched &= Q(address=query["emailAddress"].address.lower())
    return matched


def show_entry(row: Suppression) -> dict[str, Any]:
    return {
        "EmailAddress": row.address,
        "SuppressionReason": REASONS[row.reason],
        "Origin": CUSTOMER if row.way in BY_CUSTOMER else RECIPIENT,
        "CreatedAt": format_time(row.created_at),
    }


def show_result(address: object, status: str, message: str | None = None) -> dict[str, Any]:
    """What became of one address of a request."""
    return {"EmailAddress": address, "Status": status, "Message": message}
