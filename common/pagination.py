"""Pages of lists: one envelope for all, and DRF's pagination class for most."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

# The members of a page beside `data`, and their OpenAPI description.
ENVELOPE: Mapping[str, Mapping[str, Any]] = {
    "has_more": {"type": "boolean", "description": "Whether more rows follow."},
    "limit": {"type": "integer"},
    "next": {"type": ["string", "null"], "description": "The value for `after`; null on the last page."},
}


def build_page(data: Any, *, has_more: bool, limit: int, next_: str | None) -> dict[str, Any]:
    """A page in the envelope of every list."""
    return {"data": data, "has_more": has_more, "limit": limit, "next": next_}


def describe_page(rows: Mapping[str, Any], **more: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a page whose `data` matches `rows`; `more` are additional members."""
    properties = {"data": rows, **ENVELOPE, **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


class KeysetPagination(BasePagination):
    """The rows after `after`, at most `limit`: the newest first, by id.

    Reads both from the view's `query`. One extra row is read instead of a COUNT. Lists in another order override
    `ordering`, `narrow` and `mark`.
    """

    ordering: tuple[Any, ...] = ("-pk",)

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,  # noqa: ARG002  DRF calls it so
        view: Any = None,
    ) -> list[Any]:
        self.query: Mapping[str, Any] = view.query
        limit = self.query["limit"]
        rows = self.read(self.narrow(queryset, self.query), limit + 1)
        self.has_more = len(rows) > limit
        page = rows[:limit]
        self.next = self.mark(page[-1]) if self.has_more else None
        return page

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        """The rows after the query's position."""
        return rows.filter(pk__lt=query["after"]) if "after" in query else rows

    def mark(self, row: Model) -> str:
        """The position just after a row: the value for `after`."""
        return str(row.pk)

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        return list(rows.order_by(*self.ordering)[:count])

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        return Response(build_page(data, has_more=self.has_more, limit=self.query["limit"], next_=self.next))

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return describe_page(schema)
