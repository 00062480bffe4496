"""Resend's templates API. Each view calls the service of `/api/v1` and shows the result."""

from collections.abc import Generator
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from common.parsers import read_object
from gateways.resend.paging import TwoWayPagination, TwoWayQuery
from gateways.resend.template_forms import copy_template, read_template, show_template, show_template_row
from gateways.resend.viewsets import ResendViewSet
from templates_app import services
from templates_app.models import Template
from templates_app.publishing import build_version, keep_publication


class TemplateViewSet(ResendViewSet):
    """`/compat/resend/templates`. The path holds an id or an alias."""

    lookup_field = "ref"
    lookup_value_converter = "str"
    scopes: ClassVar = {
        "create": scopes.TEMPLATES_WRITE,
        "list": scopes.TEMPLATES_READ,
        "retrieve": scopes.TEMPLATES_READ,
        "partial_update": scopes.TEMPLATES_WRITE,
        "destroy": scopes.TEMPLATES_WRITE,
        "publish": scopes.TEMPLATES_WRITE,
        "duplicate": scopes.TEMPLATES_WRITE,
    }
    pagination_class = TwoWayPagination
    queries: ClassVar = {"list": TwoWayQuery}

    def get_queryset(self) -> QuerySet[Template]:
        found: QuerySet[Template] = self.project.templates.current().with_relations()
        return found

    def get_object(self) -> Template:
        self.touched = services.find_template(self.project, self.kwargs["ref"])
        return self.touched

    def show_changed(self, template: Template, *, status: int = 200, **more: Any) -> Response:
        self.touched = template
        return Response({"object": "template", "id": str(template.pk), **more}, status=status)

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a draft. Mail is made from it only after it is published."""
        template = services.fill_draft(Template(project=self.project), read_template(read_object(request)))
        yield
        return self.show_changed(services.save_template(template), status=201)

    def list(self, request: Request) -> Response:
        """Templates, newest first."""
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.show_page([show_template_row(row) for row in page])

    def retrieve(self, request: Request, ref: str) -> Response:
        """One template with its draft."""
        return Response(show_template(self.get_object()))

    @recorded
    def partial_update(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Change the draft. The published version stays unchanged."""
        template = self.get_object()
        values = read_template(read_object(request), template)
        yield
        return self.show_changed(services.update_template(template, values))

    @recorded
    def destroy(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Delete a template. Mail that was accepted with it is still sent."""
        template = self.get_object()
        self.read_body()
        yield
        services.delete_template(template)
        return self.show_changed(template, deleted=True)

    @action(detail=True, methods=["post"])
    @idempotent
    def publish(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Publish the draft."""
        template = self.get_object()
        self.read_body()
        made = build_version(template)
        yield
        keep_publication(template, made, None)
        return self.show_changed(template)

    @action(detail=True, methods=["post"])
    @idempotent
    def duplicate(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """A new draft with the same content."""
        template = self.get_object()
        self.read_body()
        copy = services.fill_draft(Template(project=self.project), copy_template(template))
        yield
        return self.show_changed(services.save_template(copy), status=201)
