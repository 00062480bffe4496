"""Pages of Resend's lists, which are read downwards and upwards.

Source: https://resend.com/docs/api-reference/pagination.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from common.pagination import KeysetPagination
from common.serializers import PageQuery


class TwoWayQuery(PageQuery):
    """`before` names the row that the page lies above; it has no meaning beside `after`."""

    before = serializers.UUIDField(required=False)


class TwoWayPagination(KeysetPagination):
    """The newest first; with `before` alone the page just above that row."""

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        narrowed = super().narrow(rows, query)
        return narrowed.filter(pk__gt=query["before"]) if "before" in query else narrowed

    @property
    def is_read_upward(self) -> bool:
        return "before" in self.query and "after" not in self.query

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        return list(rows.order_by("pk" if self.is_read_upward else "-pk")[:count])

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        page = super().paginate_queryset(queryset, request, view)
        return page[::-1] if self.is_read_upward else page
