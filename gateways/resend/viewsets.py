"""What all views below /compat/resend share."""

from collections.abc import Callable, Sequence
from typing import Any

from rest_framework.response import Response

from accounts.viewsets import ProjectViewSet
from gateways.resend.errors import handle_exception


class ResendViewSet(ProjectViewSet):
    """A resource in Resend's form. It is not in our OpenAPI document, since Resend documents it."""

    schema = None

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        return handle_exception

    def show_page(self, rows: Sequence[dict[str, Any]]) -> Response:
        """A page of a list, once `paginate_queryset` has read it."""
        has_more = self.get_paginated_response(rows).data["has_more"]
        return Response({"object": "list", "has_more": has_more, "data": rows})
