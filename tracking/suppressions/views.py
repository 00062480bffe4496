"""`/api/v1/suppressions`."""

from collections.abc import Generator
from typing import ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent
from accounts.scopes import SUPPRESSIONS_READ, SUPPRESSIONS_WRITE
from accounts.viewsets import ProjectViewSet, locate
from common.addresses import AddressError, parse_address
from common.errors import NotFoundError
from tracking.models import Suppression
from tracking.suppressions.serializers import SuppressionInput, SuppressionOutput, SuppressionQuery
from tracking.suppressions.service import Entry, release_suppression, suppress


class SuppressionViewSet(ProjectViewSet):
    """The project's suppressions. The URL of an entry contains its address, percent-encoded."""

    lookup_field = "address"
    # A local part may contain a slash.
    lookup_value_converter = "path"
    scopes: ClassVar = {
        "list": SUPPRESSIONS_READ,
        "retrieve": SUPPRESSIONS_READ,
        "create": SUPPRESSIONS_WRITE,
        "destroy": SUPPRESSIONS_WRITE,
    }
    serializer_class = SuppressionOutput
    queries = {"list": SuppressionQuery}
    bodies = {"create": SuppressionInput}
    filters = {
        "reason": lambda reason: Q(reason=reason),
        "address": lambda address: Q(address=address.address.lower()),
    }

    def get_queryset(self) -> QuerySet[Suppression]:
        return self.project.suppressions.all()

    def get_object(self) -> Suppression:
        found = self.get_queryset().filter(address=normalise(self.kwargs["address"])).first()
        if found is None:
            raise NotFoundError
        return found

    @extend_schema(responses=SuppressionOutput)
    def list(self, request: Request) -> Response:
        """The list, the newest first. `?address=` checks for one address."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses={200: SuppressionOutput, 201: SuppressionOutput})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Suppress an address: 201, or 200 if it was suppressed. A weaker reason never replaces a stronger one."""
        values = self.read_body()
        entry = Entry(address=values["address"].address, reason=values["reason"], note=values["note"])
        yield
        row, is_new = suppress(self.project.pk, entry)
        if not is_new:
            return self.show(row)
        response = self.show(row, status=201)
        response["Location"] = locate("suppression-detail", row.address)
        return response

    @extend_schema(responses=SuppressionOutput)
    def retrieve(self, request: Request, address: str) -> Response:
        """The entry of one address; 404 if it is not on the list."""
        return self.show(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, address: str) -> Response:
        """Remove an address from the list, so that mail is sent to it again."""
        self.read_body()
        if release_suppression(self.project.pk, normalise(address)) is None:
            raise NotFoundError
        return Response(status=204)


def normalise(text: str) -> str:
    """Convert an address to its stored form. Raises NotFoundError for invalid syntax, since no entry can match it."""
    try:
        return parse_address(text.rstrip("/")).address.lower()
    except AddressError:
        raise NotFoundError from None
