"""`/api/v1/admin/keys`: the projects' keys, and their limits."""

from collections.abc import Generator
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import holds_secret, idempotent
from accounts.installation.key_rotation import (
    KeyNotActiveError,
    KeyOfInstallationError,
    KeyReplacedError,
    rotate_api_key,
)
from accounts.installation.limits import LimitValues, find_limits, set_limits
from accounts.installation.serializers import (
    KeyInput,
    KeyOutput,
    KeyQuery,
    KeyWithSecret,
    LimitsInput,
    LimitsOutput,
    RotateInput,
)
from accounts.models import ApiKey, Project
from accounts.scopes import ADMIN
from accounts.services import create_api_key, revoke_api_key
from accounts.viewsets import ApiViewSet
from common.errors import FieldError, InvalidFieldsError
from common.openapi import list_problems


class ManagedKeyViewSet(ApiViewSet):
    """The keys of all projects, and those of the installation, which can be revoked here but not made."""

    scopes: ClassVar = dict.fromkeys(("list", "retrieve", "create", "rotate", "revoke", "limits", "put_limits"), ADMIN)
    serializer_class = KeyOutput
    answers = {
        "create": KeyWithSecret,
        "rotate": KeyWithSecret,
        "limits": LimitsOutput,
        "put_limits": LimitsOutput,
    }
    queries = {"list": KeyQuery}
    bodies = {"create": KeyInput, "rotate": RotateInput, "put_limits": LimitsInput}
    located = frozenset({"create", "rotate"})
    filters = {
        "project_id": lambda project_id: Q(project_id=project_id),
        "prefix": lambda prefix: Q(prefix=prefix),
    }
    # The service writes the entry.
    unaudited = frozenset({"put_limits"})

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.all()

    @extend_schema(responses=KeyOutput)
    def list(self, request: Request) -> Response:
        """List keys, the newest first, those that have ended too."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses=KeyOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get a key without its text."""
        return self.show(self.get_object())

    @extend_schema(responses={201: KeyWithSecret})
    @idempotent
    @holds_secret
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a key of a project. The response holds its text, which is not shown again."""
        values = self.read_body()
        project = find_project(values.pop("project_id"))
        yield
        key, text = create_api_key(project, is_test=values.pop("test"), **values)
        return self.show_text(key, text)

    @extend_schema(
        responses={201: KeyWithSecret, **list_problems(KeyNotActiveError, KeyReplacedError, KeyOfInstallationError)}
    )
    @action(detail=True, methods=["post"])
    @idempotent
    @holds_secret
    def rotate(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Create a key with the same rights and limits, and end the old one after `overlap_seconds`."""
        key: ApiKey = self.get_object()
        overlap = timedelta(seconds=self.read_body()["overlap_seconds"])
        yield
        return self.show_text(*rotate_api_key(key, overlap))

    def show_text(self, key: ApiKey, text: str) -> Response:
        # Only for this response: the text is stored nowhere else.
        key.shown_token = text  # type: ignore[attr-defined]
        return self.created(key)

    @extend_schema(responses=KeyOutput)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Revoke a key, at once and for good."""
        key: ApiKey = self.get_object()
        self.read_body()
        yield
        return self.show(revoke_api_key(key))

    @extend_schema(operation_id="get_key_limits", responses=LimitsOutput)
    @action(detail=True, methods=["get"])
    def limits(self, request: Request, pk: UUID) -> Response:
        """Get the limits of a key by itself; those of its project apply too."""
        return Response(LimitsOutput(find_limits(self.get_object())).data)

    @extend_schema(operation_id="put_key_limits", responses=LimitsOutput)
    @limits.mapping.put
    def put_limits(self, request: Request, pk: UUID) -> Response:
        """Replace the limits of a key. Null, or a field that is not given, means no limit."""
        key, values = self.get_object(), LimitValues(**self.read_body())
        return Response(LimitsOutput(set_limits(self.key.prefix, key, values)).data)


def find_project(pk: UUID) -> Project:
    """Raises InvalidFieldsError with the code `unknown_project`."""
    project = Project.objects.filter(pk=pk).first()
    if project is None:
        raise InvalidFieldsError([FieldError("project_id", "unknown_project", "There is no such project.")])
    return project
