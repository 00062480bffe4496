"""`GET /me`: the calling key's own data."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.scopes import NO_SCOPE
from accounts.serializers import MeSerializer
from accounts.viewsets import ApiView


class MeView(ApiView):
    """The key's project, scopes and limits."""

    scopes: ClassVar = {"get": NO_SCOPE}

    @extend_schema(operation_id="get_me", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Get the calling key's project, scopes and limits."""
        return Response(MeSerializer(self.key).data)
