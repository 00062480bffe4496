"""What all views below /compat/resend share."""

from collections.abc import Sequence
from typing import Any

from rest_framework.response import Response

from gateways.compat.viewsets import CompatViewSet
from gateways.resend.errors import handle_exception


class ResendViewSet(CompatViewSet):
    """A resource in Resend's form."""

    handler = handle_exception

    def show_page(self, rows: Sequence[dict[str, Any]]) -> Response:
        """A page of a list, once `paginate_queryset` has read it."""
        has_more = self.get_paginated_response(rows).data["has_more"]
        return Response({"object": "list", "has_more": has_more, "data": rows})
