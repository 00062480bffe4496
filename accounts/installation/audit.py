"""`/api/v1/admin/audit`: the audit log."""

from typing import ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.installation.serializers import AuditOutput, AuditQuery
from accounts.models import AuditEntry
from accounts.scopes import ADMIN
from accounts.viewsets import ApiViewSet


class AuditViewSet(ApiViewSet):
    """Records of what people, keys and commands did."""

    scopes: ClassVar = {"list": ADMIN}
    serializer_class = AuditOutput
    queries = {"list": AuditQuery}
    filters = {
        "project_id": lambda project_id: Q(project_id=project_id),
        "actor": lambda actor: Q(actor=actor),
        "action": lambda action: Q(action=action),
        "object": lambda name: Q(object=name),
        "since": lambda time: Q(at__gte=time),
        "until": lambda time: Q(at__lt=time),
    }

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()

    @extend_schema(operation_id="list_audit_entries", responses=AuditOutput)
    def list(self, request: Request) -> Response:
        """List the audit log, the newest first. Entries are never changed."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))
