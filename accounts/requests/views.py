"""`/api/v1/requests`: the requests of a project in the last 30 days."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.requests.models import RequestEntry
from accounts.requests.serializers import RequestOutput, RequestQuery
from accounts.scopes import REQUESTS_READ
from accounts.viewsets import ProjectViewSet
from common.ids import greatest_id_at, least_id_at
from common.middleware import hide_address

# An entry is written within some seconds after the id of its request was made.
NEARBY = timedelta(minutes=2)
UUID_WITH_TIME = 7


def by_request_id(request_id: str) -> Q:
    """Ids that the service made tell their time, so that few entries have to be looked at."""
    condition = Q(request_id=hide_address(request_id))
    try:
        made_at = datetime.fromtimestamp((UUID(request_id).int >> 80) / 1000, UTC)
        nearby = least_id_at(made_at - NEARBY), greatest_id_at(made_at + NEARBY)
    except (ValueError, OverflowError):
        return condition
    return condition & Q(id__range=nearby) if UUID(request_id).version == UUID_WITH_TIME else condition


class RequestViewSet(ProjectViewSet):
    """The requests that were made with the project's keys."""

    scopes: ClassVar = {"list": REQUESTS_READ}
    serializer_class = RequestOutput
    queries = {"list": RequestQuery}
    filters = {
        "status": lambda status: Q(status=status) & (Q(status__gte=400) if status >= 400 else Q()),
        "method": lambda method: Q(method=method),
        "route": lambda route: Q(route=route),
        "code": lambda code: Q(code=code),
        "key": lambda prefix: Q(key_prefix=prefix),
        "request_id": by_request_id,
        "since": lambda time: Q(id__gte=least_id_at(time), at__gte=time),
        "until": lambda time: Q(id__lte=greatest_id_at(time), at__lt=time),
    }

    def get_queryset(self) -> QuerySet[RequestEntry]:
        oldest = least_id_at(timezone.now() - settings.REQUEST_KEEP_TIME)
        return self.keep_world(RequestEntry.objects.filter(project=self.project, id__gte=oldest))

    @extend_schema(operation_id="list_requests", responses=RequestOutput)
    def list(self, request: Request) -> Response:
        """List requests made with the project's keys, the newest first. Entries are a second or two behind."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))
