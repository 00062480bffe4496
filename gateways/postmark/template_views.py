"""Postmark's templates API. Placeholders are taken as they are written there; what is stored and shown is Liquid."""

from collections.abc import Generator
from typing import ClassVar

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from common.errors import NotFoundError
from common.parsers import read_object
from gateways.compat.publishing import build_changed, build_new, store_changed, store_new
from gateways.postmark.errors import OK
from gateways.postmark.queries import cut_page
from gateways.postmark.template_forms import (
    LAYOUT,
    TemplateRowsQuery,
    read_ref,
    select_templates,
    show_listed_template,
    show_whole_template,
    write_number,
)
from gateways.postmark.template_writing import read_template, validate
from gateways.postmark.viewsets import PostmarkViewSet
from templates_app.models import Template
from templates_app.services import delete_template, match_ref


class TemplateViewSet(PostmarkViewSet):
    """`/templates`, by number, id or alias."""

    scopes: ClassVar = {
        "list": scopes.TEMPLATES_READ,
        "retrieve": scopes.TEMPLATES_READ,
        "create": scopes.TEMPLATES_WRITE,
        "update": scopes.TEMPLATES_WRITE,
        "destroy": scopes.TEMPLATES_WRITE,
        "validate": scopes.TEMPLATES_READ,
    }
    # It stores nothing.
    unaudited: ClassVar = frozenset({"validate"})
    queries: ClassVar = {"list": TemplateRowsQuery}

    def list(self, request: Request) -> Response:
        """Templates, oldest first."""
        rows = select_templates(self.project)
        kind = self.query.get("templateType", "All")
        if kind != "All":
            rows = rows.filter(is_layout=kind == LAYOUT)
        if "layoutTemplate" in self.query:
            layouts = self.project.templates.filter(match_ref(self.query["layoutTemplate"]), deleted_at=None)
            rows = rows.filter(layout__in=layouts)
        page, total = cut_page(rows, self.query)
        return Response({"TotalCount": total, "Templates": [show_listed_template(row) for row in page]})

    def retrieve(self, request: Request, ref: str) -> HttpResponseBase:
        """One template."""
        return Response(show_whole_template(self.find(ref)))

    def find(self, ref: str) -> Template:
        """The template, for the entry of the audit log too. Raises NotFoundError."""
        found: Template | None = select_templates(self.project).filter(match_ref(read_ref(self.project, ref))).first()
        if found is None:
            raise NotFoundError
        self.touched = found
        return found

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a template, which is published at once."""
        template, version = build_new(self.project, read_template(self.project, read_object(request)))
        yield
        return self.show_changed(store_new(template, version))

    @recorded
    def update(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Change a template, which is published at once. Parts that are not given stay."""
        template = self.find(ref)
        values = read_template(self.project, read_object(request))
        version = build_changed(template, values)
        yield
        return self.show_changed(store_changed(template, values, version))

    @recorded
    def destroy(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Delete a template. Mail that was accepted with it is still sent."""
        template = self.find(ref)
        self.read_body()
        yield
        delete_template(template)
        return Response({"ErrorCode": OK, "Message": f"Template {write_number(template.pk)} removed."})

    def validate(self, request: Request) -> HttpResponseBase:
        """Render parts with a model; nothing is stored."""
        return Response(validate(self.project, read_object(request)))

    def show_changed(self, template: Template) -> Response:
        return Response(show_listed_template(self.find(str(template.pk))))
