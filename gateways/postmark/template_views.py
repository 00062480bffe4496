"""Postmark's templates API, for reading: a template is written in another language there, so ours are written at
`/api/v1/templates`.
"""

from typing import ClassVar

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from common.errors import NotFoundError
from gateways.postmark.queries import cut_page
from gateways.postmark.template_forms import (
    LAYOUT,
    TemplateRowsQuery,
    read_ref,
    select_templates,
    show_listed_template,
    show_whole_template,
)
from gateways.postmark.viewsets import PostmarkViewSet
from templates_app.services import match_ref


class TemplateViewSet(PostmarkViewSet):
    """`/templates`, by number, id or alias."""

    scopes: ClassVar = {"list": scopes.TEMPLATES_READ, "retrieve": scopes.TEMPLATES_READ}
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
        found = select_templates(self.project).filter(match_ref(read_ref(self.project, ref))).first()
        if found is None:
            raise NotFoundError
        return Response(show_whole_template(found))
