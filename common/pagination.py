"""Lists in pages: one envelope for all of them, and DRF's pagination class behind most."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

# What a page says beside `data`, and how the OpenAPI document has it.
ENVELOPE: Mapping[str, Mapping[str, Any]] = {
    "has_more": {"type": "boolean", "description": "Whether more follows."},
    "limit": {"type": "integer"},
    "next": {"type": ["string", "null"], "description": "The value for `after`; null at the end."},
}


def build_page(data: Any, *, has_more: bool, limit: int, next_: str | None) -> dict[str, Any]:
    """A page as every list answers it."""
    return {"data": data, "has_more": has_more, "limit": limit, "next": next_}


def describe_page(rows: Mapping[str, Any], **more: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a page whose `data` is as `rows` says; `more` are members beside the envelope's."""
    properties = {"data": rows, **ENVELOPE, **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


class KeysetPagination(BasePagination):
    """The rows behind `after`, at most `limit`: the newest first, by id.

    Reads both from the view's `query`. One row too many is read in place of a COUNT. Lists in another order say so by
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
        """The rows that come after the place that the query names."""
        return rows.filter(pk__lt=query["after"]) if "after" in query else rows

    def mark(self, row: Model) -> str:
        """The place just behind a row: the value for `after`."""
        return str(row.pk)

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        return list(rows.order_by(*self.ordering)[:count])

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        return Response(build_page(data, has_more=self.has_more, limit=self.query["limit"], next_=self.next))

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return describe_page(schema)
