"""What a key may learn of itself."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiKey
from accounts.scopes import NO_SCOPE
from common.times import format_time


class MeView(APIView):
    """The key's project, scopes and limits."""

    scopes: ClassVar = {"get": NO_SCOPE}

    def get(self, request: Request) -> Response:
        assert isinstance(request.auth, ApiKey)
        return Response(describe_key(request.auth))


def describe_key(key: ApiKey) -> dict[str, object]:
    return {
        "project": {"id": str(key.project.pk), "name": key.project.name},
        "key": {
            "id": str(key.pk),
            "name": key.name,
            "prefix": key.prefix,
            "test": key.is_test,
            "scopes": key.scopes,
            "expires_at": format_time(key.expires_at),
        },
        "limits": {"allowed_ips": key.allowed_ips, "allowed_recipients": key.allowed_recipients},
    }
