"""`/api/v1/suppressions`."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import Project
from accounts.scopes import SUPPRESSIONS_READ, SUPPRESSIONS_WRITE
from common.addresses import AddressError, parse_address
from common.errors import NotFoundError
from common.parsers import read_object
from tracking.suppressions.serializers import SuppressionInput, SuppressionOutput, SuppressionPage, SuppressionQuery
from tracking.suppressions.service import Entry, release, suppress


class SuppressionViewSet(ViewSet):
    """Who the project does not write to. One entry is named by its address, which a URL holds percent-encoded."""

    lookup_field = "address"
    # A local part may have a slash.
    lookup_value_converter = "path"
    scopes: ClassVar = {
        "list": SUPPRESSIONS_READ,
        "retrieve": SUPPRESSIONS_READ,
        "create": SUPPRESSIONS_WRITE,
        "destroy": SUPPRESSIONS_WRITE,
    }

    @extend_schema(parameters=[SuppressionQuery], responses=SuppressionPage)
    def list(self, request: Request) -> Response:
        """The list, the newest first; `?address=` tells whether one is on it."""
        serializer = SuppressionQuery(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        query: dict[str, Any] = serializer.validated_data
        limit, offset = query["limit"], query["offset"]
        found = project_of(request).suppressions.order_by("-id")
        for name, condition in (("after", "id__lt"), ("reason", "reason")):
            if name in query:
                found = found.filter(**{condition: query[name]})
        if "address" in query:
            found = found.filter(address=query["address"].address.lower())
        rows = [*found[offset : offset + limit + 1]]
        has_more = len(rows) > limit
        return Response(
            {
                "data": SuppressionOutput(rows[:limit], many=True).data,
                "has_more": has_more,
                "limit": limit,
                "offset": offset,
                "next": str(rows[limit - 1].pk) if has_more else None,
            }
        )

    @extend_schema(request=SuppressionInput, responses={200: SuppressionOutput, 201: SuppressionOutput})
    def create(self, request: Request) -> Response:
        """Put an address on the list: 201, or 200 where it was there. A reason never gives way to a weaker one."""
        body = SuppressionInput(data=read_object(request))
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = body.validated_data
        entry = Entry(address=values["address"].address, reason=values["reason"], note=values["note"])
        row, is_new = suppress(project_of(request).pk, entry)
        return Response(SuppressionOutput(row).data, status=201 if is_new else 200)

    @extend_schema(responses=SuppressionOutput)
    def retrieve(self, request: Request, address: str) -> Response:
        """The entry of one address; 404 where it is not on the list."""
        row = project_of(request).suppressions.filter(address=normalise(address)).first()
        if row is None:
            raise NotFoundError
        return Response(SuppressionOutput(row).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, address: str) -> Response:
        """Take an address off the list, so that it is written to again."""
        if release(project_of(request).pk, normalise(address)) is None:
            raise NotFoundError
        return Response(status=204)


def project_of(request: Request) -> Project:
    project: Project = request.user.project  # type: ignore[union-attr]
    return project


def normalise(text: str) -> str:
    """`text` as addresses are kept. `NotFoundError` for what cannot be one, for nothing can be known about it."""
    try:
        return parse_address(text.rstrip("/")).address.lower()
    except AddressError:
        raise NotFoundError from None
