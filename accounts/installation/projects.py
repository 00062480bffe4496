"""`/api/v1/admin/projects`: the tenants, and their limits."""

from collections.abc import Generator
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, recorded
from accounts.installation.limits import LimitValues, find_limits, set_limits
from accounts.installation.serializers import LimitsInput, LimitsOutput, ProjectInput, ProjectOutput, ProjectQuery
from accounts.lifetimes.closing import close_project
from accounts.lifetimes.retention import KeptDays, find_kept_days, set_kept_days
from accounts.lifetimes.serializers import ClosingOutput, ClosingQuery, RetentionInput, RetentionOutput
from accounts.models import Project
from accounts.project_settings import (
    InvalidHeaderPatternError,
    InvalidLinkSchemeError,
    change_project,
)
from accounts.scopes import ADMIN
from accounts.services import InvalidProjectNameError, ProjectExistsError, create_project
from accounts.viewsets import ApiViewSet
from common.openapi import list_problems

WRONG_PROJECT = (ProjectExistsError, InvalidProjectNameError, InvalidHeaderPatternError, InvalidLinkSchemeError)


class ManagedProjectViewSet(ApiViewSet):
    """All projects. A closed one is deleted after its days of grace, with its mail, keys and domains."""

    scopes: ClassVar = dict.fromkeys(
        ("list", "retrieve", "create", "update", "limits", "put_limits", "retention", "put_retention", "destroy"), ADMIN
    )
    serializer_class = ProjectOutput
    answers = {
        "limits": LimitsOutput,
        "put_limits": LimitsOutput,
        "retention": RetentionOutput,
        "put_retention": RetentionOutput,
        "destroy": ClosingOutput,
    }
    queries = {"list": ProjectQuery, "destroy": ClosingQuery}
    bodies = {
        "create": ProjectInput,
        "update": ProjectInput,
        "put_limits": LimitsInput,
        "put_retention": RetentionInput,
    }
    filters = {"name": lambda name: Q(name=name)}
    # The service writes the entry.
    unaudited = frozenset({"put_limits", "put_retention", "destroy"})

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.all()

    @extend_schema(responses=ProjectOutput)
    def list(self, request: Request) -> Response:
        """List all projects, the newest first."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses={201: ProjectOutput, **list_problems(*WRONG_PROJECT)})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a project with its stream `default`."""
        values: Any = self.read_body()
        yield
        return self.created(change_project(create_project(name=values["name"]), values))

    @extend_schema(responses=ProjectOutput)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Get a project."""
        return self.show(self.get_object())

    @extend_schema(responses={200: ProjectOutput, **list_problems(*WRONG_PROJECT)})
    @recorded
    def update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Replace a project's settings: a field that is not given gets its default. A project is not made so."""
        project: Project = self.get_object()
        values: Any = self.read_body()
        yield
        return self.show(change_project(project, values))

    @extend_schema(operation_id="close_project", responses={200: ClosingOutput})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Close a project: keys are revoked, mail ends, and its rows are deleted later. Again, it answers the same."""
        project: Project = self.get_object()
        self.read_body()
        return Response(ClosingOutput(close_project(self.key.prefix, project, self.query["delete_after_days"])).data)

    @extend_schema(operation_id="get_project_limits", responses=LimitsOutput)
    @action(detail=True, methods=["get"])
    def limits(self, request: Request, pk: UUID) -> Response:
        """Get the limits of a project, of all its keys together."""
        return Response(LimitsOutput(find_limits(self.get_object())).data)

    @extend_schema(operation_id="put_project_limits", responses=LimitsOutput)
    @limits.mapping.put
    def put_limits(self, request: Request, pk: UUID) -> Response:
        """Replace the limits of a project. Null, or a field that is not given, means no limit."""
        project, values = self.get_object(), LimitValues(**self.read_body())
        return Response(LimitsOutput(set_limits(self.key.prefix, project, values)).data)

    @extend_schema(operation_id="get_project_retention", responses=RetentionOutput)
    @action(detail=True, methods=["get"])
    def retention(self, request: Request, pk: UUID) -> Response:
        """Get the days for which a project keeps each kind of data."""
        return Response(RetentionOutput(find_kept_days(self.get_object().pk)).data)

    @extend_schema(operation_id="put_project_retention", responses=RetentionOutput)
    @retention.mapping.put
    def put_retention(self, request: Request, pk: UUID) -> Response:
        """Replace a project's retention. A kind that is not given gets its default; null keeps it for good."""
        project, days = self.get_object(), KeptDays(**self.read_body())
        return Response(RetentionOutput(set_kept_days(self.key.prefix, project, days)).data)
