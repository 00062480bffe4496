"""`/api/v1/templates`."""

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, recorded
from accounts.scopes import TEMPLATES_READ, TEMPLATES_WRITE
from accounts.viewsets import ProjectViewSet
from common.openapi import list_problems
from common.pagination import KeysetPagination
from templates_app import services
from templates_app.models import Template
from templates_app.publishing import EditedMeanwhileError, build_version, keep_publication
from templates_app.serializers import (
    PreviewInput,
    PreviewOutput,
    PreviewQuery,
    PublishInput,
    TemplateInput,
    TemplateOutput,
    TemplateQuery,
    VersionOutput,
    VersionQuery,
)


class VersionPagination(KeysetPagination):
    """A template's versions, identified by number, the newest first."""

    ordering = ("-number",)

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        return rows.filter(number__lt=query["after"]) if "after" in query else rows

    def mark(self, row: Any) -> str:
        return str(row.number)


class TemplateViewSet(ProjectViewSet):
    """The project's templates: drafts, and the published versions. Identified by id or alias."""

    lookup_field = "ref"
    lookup_value_converter = "str"
    scopes: ClassVar = {
        "list": TEMPLATES_READ,
        "retrieve": TEMPLATES_READ,
        "create": TEMPLATES_WRITE,
        "partial_update": TEMPLATES_WRITE,
        "destroy": TEMPLATES_WRITE,
        "publish": TEMPLATES_WRITE,
        "versions": TEMPLATES_READ,
        "preview": TEMPLATES_READ,
    }
    serializer_class = TemplateOutput
    answers = {"versions": VersionOutput, "preview": PreviewOutput}
    queries = {"list": TemplateQuery, "versions": VersionQuery, "preview": PreviewQuery}
    bodies = {
        "create": TemplateInput,
        "partial_update": TemplateInput,
        "publish": PublishInput,
        "preview": PreviewInput,
    }
    filters = {"alias": services.match_ref}
    unaudited = frozenset({"preview"})

    def get_queryset(self) -> QuerySet[Template]:
        found: QuerySet[Template] = self.project.templates.current().with_relations()
        return found

    def get_object(self) -> Template:
        self.touched = services.find_template(self.project, self.kwargs["ref"])
        return self.touched

    @extend_schema(responses=TemplateOutput)
    def list(self, request: Request) -> Response:
        """List the project's templates, the newest first."""
        return self.list_rows(self.filter_queryset(self.get_queryset()))

    @extend_schema(responses=TemplateOutput)
    def retrieve(self, request: Request, ref: str) -> Response:
        """Get a template with its draft."""
        return self.show(self.get_object())

    @extend_schema(responses={201: TemplateOutput, **list_problems(services.AliasTakenError)})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a draft. Mail is made from it only after it is published."""
        template = services.fill_draft(Template(project=self.project), self.read_body())
        yield
        return self.created(services.save_template(template))

    @extend_schema(responses={200: TemplateOutput, **list_problems(services.AliasTakenError)})
    @recorded
    def partial_update(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Change the draft. The published version stays unchanged."""
        template, values = self.get_object(), self.read_body()
        yield
        return self.show(services.update_template(template, values))

    @extend_schema(responses={204: None, **list_problems(services.TemplateInUseError)})
    @recorded
    def destroy(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Delete a template. Mail that was accepted with it is still sent unchanged."""
        template = self.get_object()
        self.read_body()
        yield
        services.delete_template(template)
        return Response(status=204)

    @extend_schema(responses={200: TemplateOutput, **list_problems(EditedMeanwhileError)})
    @action(detail=True, methods=["post"])
    @idempotent
    def publish(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Publish the draft, or an older version again."""
        template, number = self.get_object(), self.read_body().get("version")
        made = None if number else build_version(template)
        yield
        keep_publication(template, made, number)
        return self.show(template)

    @extend_schema(operation_id="list_template_versions", responses=VersionOutput)
    @action(detail=True, methods=["get"], pagination_class=VersionPagination)
    def versions(self, request: Request, ref: str) -> Response:
        """List the published versions, the newest first."""
        return self.list_rows(self.get_object().versions.defer("base_html", "mjml"))

    @extend_schema(responses=PreviewOutput)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, ref: str) -> Response:
        """Render the draft, or a version, with variables."""
        template, values = self.get_object(), self.read_body()
        options = services.PreviewOptions(number=self.query.get("version"), locale=values.get("locale") or "")
        content = services.preview_template(template, values.get("template_vars") or {}, options)
        return Response(PreviewOutput(content).data)
