"""SES's suppression calls: our bounces and complaints that stop all mail to an address.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_PutSuppressedDestination.html.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import recorded
from common.addresses import AddressError, parse_address
from common.client_ip import client_ip
from common.errors import NotFoundError
from common.serializers import (
    AddressField,
    QueryDateTimeField,
    QueryIntegerField,
    QuerySerializer,
    StrictChoiceField,
    StrictSerializer,
    StrictUUIDField,
)
from gateways.ses.viewsets import SesViewSet
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.service import Entry, release_suppressions, select_entry, sort_by_strength, suppress

REASONS: Mapping[str, SuppressionReason] = {
    "BOUNCE": SuppressionReason.BOUNCE,
    "COMPLAINT": SuppressionReason.COMPLAINT,
}
MAX_PAGE = 1_000
FILTERS: Mapping[str, Callable[[Any], Q]] = {
    "Reason": lambda name: Q(reason=REASONS[name]),
    "StartDate": lambda at: Q(created_at__gte=at),
    "EndDate": lambda at: Q(created_at__lte=at),
    "NextToken": lambda pk: Q(pk__lt=pk),
}


class NewDestination(StrictSerializer):
    """An address to suppress."""

    EmailAddress = AddressField()
    Reason = StrictChoiceField(choices=list(REASONS))


class DestinationQuery(QuerySerializer):
    """The list's parameters. Without a reason the list has both, and so it has with the two of them."""

    def inspect(self, data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if sorted(data.getlist("Reason")) == sorted(REASONS):
            data = data.copy()
            del data["Reason"]
        return super().inspect(data)

    Reason = StrictChoiceField(choices=list(REASONS), required=False)
    StartDate = QueryDateTimeField(required=False)
    EndDate = QueryDateTimeField(required=False)
    NextToken = StrictUUIDField(required=False)
    PageSize = QueryIntegerField(min_value=1, max_value=MAX_PAGE, default=MAX_PAGE)


def show_destination(row: Suppression) -> dict[str, Any]:
    """An entry; AWS writes times as seconds."""
    return {
        "EmailAddress": row.address,
        "Reason": row.reason.upper(),
        "LastUpdateTime": row.created_at.timestamp(),
    }


class SuppressionViewSet(SesViewSet):
    """`/v2/email/suppression/addresses`."""

    scopes: ClassVar = {
        "create": scopes.SUPPRESSIONS_WRITE,
        "list": scopes.SUPPRESSIONS_READ,
        "retrieve": scopes.SUPPRESSIONS_READ,
        "destroy": scopes.SUPPRESSIONS_WRITE,
    }
    queries: ClassVar = {"list": DestinationQuery}
    bodies: ClassVar = {"create": NewDestination}

    def get_queryset(self) -> QuerySet[Suppression]:
        stops = Q(stream=None, reason__in=list(REASONS.values()))
        return self.project.suppressions.filter(stops, is_test=self.key.is_test)

    def find_entries(self, text: str) -> list[Suppression]:
        """The entries of an address, the strongest first. Raises NotFoundError."""
        try:
            address = parse_address(text).address.lower()
        except AddressError:
            raise NotFoundError from None
        found = sort_by_strength(self.get_queryset().filter(address=address))
        if not found:
            raise NotFoundError
        return found

    @recorded
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Suppress an address. A repetition is harmless."""
        values, ip = self.read_body(), client_ip(request.META)
        entry = Entry(
            address=values["EmailAddress"].address,
            reason=REASONS[values["Reason"]],
            way=SuppressionWay.API,
            ip=str(ip) if ip else None,
        )
        yield
        suppress(self.project.pk, entry, is_test=self.key.is_test)
        return Response({})

    def list(self, request: Request) -> Response:
        """Suppressions, newest first."""
        rows, size = self.narrow(), self.query["PageSize"]
        page = list(rows.order_by("-pk")[: size + 1])
        shown: dict[str, Any] = {"SuppressedDestinationSummaries": [show_destination(row) for row in page[:size]]}
        return Response({**shown, "NextToken": str(page[size - 1].pk)} if len(page) > size else shown)

    def narrow(self) -> QuerySet[Suppression]:
        rows = self.get_queryset()
        for name, condition in FILTERS.items():
            if name in self.query:
                rows = rows.filter(condition(self.query[name]))
        return rows

    def retrieve(self, request: Request, address: str) -> Response:
        """The strongest entry of an address."""
        row = self.find_entries(address)[0]
        attributes = {"MessageId": str(row.message_id)} if row.message_id else {}
        return Response({"SuppressedDestination": {**show_destination(row), "Attributes": attributes}})

    @recorded
    def destroy(self, request: Request, address: str) -> Generator[None, None, Response]:
        """Remove the entries of an address, so that mail is sent to it again."""
        self.read_body()
        yield
        for row in self.find_entries(address):
            release_suppressions(self.project.pk, row.address, select_entry(row), is_test=row.is_test)
        return Response({})
