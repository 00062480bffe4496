"""`/api/v1/templates`."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import Project
from accounts.scopes import TEMPLATES_READ, TEMPLATES_WRITE
from common.openapi import list_problems
from common.parsers import read_object, read_optional_object
from common.serializers import PageQuery
from templates_app import services
from templates_app.models import Template
from templates_app.publishing import EditedMeanwhileError
from templates_app.serializers import (
    PreviewInput,
    PreviewOutput,
    PreviewQuery,
    PublishInput,
    TemplateInput,
    TemplateOutput,
    TemplatePage,
    TemplateQuery,
    VersionOutput,
    VersionPage,
)

Row = TypeVar("Row", bound=Model)


class TemplateViewSet(ViewSet):
    """The project's templates: drafts, and the versions that mail is made from. Named by id or alias."""

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

    @extend_schema(parameters=[TemplateQuery], responses=TemplatePage)
    def list(self, request: Request) -> Response:
        """The project's templates, the newest first."""
        query = read_query(TemplateQuery, request)
        found = project_of(request).templates.current().with_relations().order_by("-id")
        if "alias" in query:
            found = found.filter(services.match_ref(query["alias"]))
        rows, page = cut_page(found, query)
        return Response({"data": TemplateOutput(rows, many=True).data, **page})

    @extend_schema(responses=TemplateOutput)
    def retrieve(self, request: Request, ref: str) -> Response:
        """One template with its draft."""
        return show(find(request, ref))

    @extend_schema(request=TemplateInput, responses={201: TemplateOutput, **list_problems(services.AliasTakenError)})
    def create(self, request: Request) -> Response:
        """Write a draft. Nothing is sent from it before it is published."""
        template = services.create_template(project_of(request), read_body(TemplateInput, read_object(request)))
        response = show(template, status=201)
        response["Location"] = request.build_absolute_uri(f"{request.path.rstrip('/')}/{template.pk}")
        return response

    @extend_schema(request=TemplateInput, responses={200: TemplateOutput, **list_problems(services.AliasTakenError)})
    def partial_update(self, request: Request, ref: str) -> Response:
        """Change the draft. What is published stays as it is."""
        template = find(request, ref)
        return show(services.update_template(template, read_body(TemplateInput, read_object(request))))

    @extend_schema(responses={204: None, **list_problems(services.TemplateInUseError)})
    def destroy(self, request: Request, ref: str) -> Response:
        """Delete a template. Mail that was accepted from it still goes out as it was."""
        services.delete_template(find(request, ref))
        return Response(status=204)

    @extend_schema(request=PublishInput, responses={200: TemplateOutput, **list_problems(EditedMeanwhileError)})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, ref: str) -> Response:
        """Send from the draft as it is now, or again from an older version."""
        template = find(request, ref)
        values = read_body(PublishInput, read_optional_object(request))
        services.publish_template(template, values.get("version"))
        return show(template)

    @extend_schema(operation_id="list_template_versions", parameters=[PageQuery], responses=VersionPage)
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, ref: str) -> Response:
        """What was published, the newest first."""
        template = find(request, ref)
        query = read_query(PageQuery, request)
        rows, page = cut_page(template.versions.defer("base_html", "mjml").order_by("-number"), query)
        return Response({"data": VersionOutput(rows, many=True).data, **page})

    @extend_schema(parameters=[PreviewQuery], request=PreviewInput, responses=PreviewOutput)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, ref: str) -> Response:
        """What the draft, or a version, makes of variables."""
        template = find(request, ref)
        query = read_query(PreviewQuery, request)
        variables = read_body(PreviewInput, read_optional_object(request)).get("template_vars") or {}
        content = services.preview_template(template, variables, number=query.get("version"))
        return Response(PreviewOutput(content).data)


def project_of(request: Request) -> Project:
    project: Project = request.user.project  # type: ignore[union-attr]
    return project


def find(request: Request, ref: str) -> Template:
    return services.find_template(project_of(request), ref)


def read_query(kind: type[PageQuery] | type[PreviewQuery], request: Request) -> dict[str, Any]:
    query = kind(data=request.query_params)
    query.is_valid(raise_exception=True)
    values: dict[str, Any] = query.validated_data
    return values


def read_body(kind: type[TemplateInput] | type[PublishInput] | type[PreviewInput], data: object) -> dict[str, Any]:
    body = kind(data=data)
    body.is_valid(raise_exception=True)
    values: dict[str, Any] = body.validated_data
    return values


def show(template: Template, status: int = 200) -> Response:
    return Response(TemplateOutput(template).data, status=status)


def cut_page(found: QuerySet[Row], query: dict[str, Any]) -> tuple[list[Row], dict[str, Any]]:
    """The rows of the page that `query` asks for, and what is said about it."""
    limit, offset = query["limit"], query["offset"]
    rows = [*found[offset : offset + limit + 1]]
    return rows[:limit], {"has_more": len(rows) > limit, "limit": limit, "offset": offset}
