"""Resend's suppressions API. Each view calls the service of `/api/v1` and shows the result."""

from collections.abc import Generator
from typing import ClassVar

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from common.client_ip import client_ip
from common.errors import NotFoundError
from gateways.resend.paging import TwoWayPagination
from gateways.resend.suppression_forms import (
    STOPS_ALL,
    NewSuppression,
    SuppressionQuery,
    match_ref,
    show_suppression,
)
from gateways.resend.viewsets import ResendViewSet
from tracking.models import Suppression, SuppressionReason, SuppressionWay
from tracking.suppressions.serializers import SuppressionOutput
from tracking.suppressions.service import Entry, release_suppressions, select_entry, sort_by_strength, suppress


class SuppressionViewSet(ResendViewSet):
    """`/compat/resend/suppressions`. The path holds an id or an address, percent-encoded."""

    lookup_field = "ref"
    # A local part may contain a slash.
    lookup_value_converter = "path"
    scopes: ClassVar = {
        "create": scopes.SUPPRESSIONS_WRITE,
        "list": scopes.SUPPRESSIONS_READ,
        "retrieve": scopes.SUPPRESSIONS_READ,
        "destroy": scopes.SUPPRESSIONS_WRITE,
    }
    serializer_class = SuppressionOutput
    pagination_class = TwoWayPagination
    queries: ClassVar = {"list": SuppressionQuery}
    bodies: ClassVar = {"create": NewSuppression}
    filters: ClassVar = {"origin": lambda origin: Q(reason=origin)}

    def get_queryset(self) -> QuerySet[Suppression]:
        return self.project.suppressions.filter(STOPS_ALL, is_test=self.key.is_test)

    def find_entries(self, ref: str) -> list[Suppression]:
        """The entry with an id, or those of an address, the strongest first. Raises NotFoundError."""
        found = sort_by_strength(self.get_queryset().filter(match_ref(ref)))
        if not found:
            raise NotFoundError
        return found

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Suppress an address. A repetition is harmless."""
        address, ip = self.read_body()["email"].address, client_ip(request.META)
        entry = Entry(
            address=address,
            reason=SuppressionReason.MANUAL,
            way=SuppressionWay.API,
            ip=str(ip) if ip else None,
        )
        yield
        row, _ = suppress(self.project.pk, entry, is_test=self.key.is_test)
        return Response({"object": "suppression", "id": str(row.pk)})

    def list(self, request: Request) -> Response:
        """Suppressions, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.show_page([show_suppression(row) for row in page])

    def retrieve(self, request: Request, ref: str) -> Response:
        """One entry; the strongest of an address."""
        return Response({"object": "suppression", **show_suppression(self.find_entries(ref)[0])})

    @recorded
    def destroy(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Remove an entry, or those of an address, so that mail is sent to it again."""
        self.read_body()
        yield
        found = self.find_entries(ref)
        for row in found:
            release_suppressions(self.project.pk, row.address, select_entry(row), is_test=row.is_test)
        return Response({"object": "suppression", "id": str(found[0].pk), "deleted": True})
