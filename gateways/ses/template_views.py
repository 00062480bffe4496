"""SES's templates, which are ours by alias: there is no draft there, so what is written is published.

Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_CreateEmailTemplate.html and its neighbours.
"""

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from common.parsers import read_object
from common.serializers import QueryIntegerField, QuerySerializer, StrictUUIDField
from common.validation import read_fields
from delivery.mime.headers import Mailbox, date, unstructured
from delivery.mime.message import MessageContent, lay_out
from gateways.compat.placeholders import to_liquid
from gateways.compat.publishing import build_changed, build_new, store_changed, store_new
from gateways.compat.rewriting import reject
from gateways.ses.requests import read_data, take
from gateways.ses.viewsets import SesViewSet
from templates_app.models import Template
from templates_app.previews import PreviewOptions, preview_template
from templates_app.serializers import TemplateInput
from templates_app.services import delete_template, find_template
from templates_app.template_parts import RenderedContent

PARTS: Mapping[str, str] = {"Subject": "subject", "Text": "text", "Html": "html"}
MAX_PAGE = 100
# The mail is a string in JSON.


class TemplateListQuery(QuerySerializer):
    """The list's parameters."""

    NextToken = StrictUUIDField(required=False)
    PageSize = QueryIntegerField(min_value=1, max_value=MAX_PAGE, default=10)


def read_template(data: Mapping[str, Any], *, name: object = None) -> dict[str, Any]:
    """The values of a template; a part that is not given is empty. Raises InvalidFieldsError or ValidationError."""
    content = data.get("TemplateContent")
    if not isinstance(content, Mapping):
        reject("", "TemplateContent: Must be an object with Subject, Text and Html.", "required")
    given = take(content, list(PARTS), "TemplateContent")
    values: dict[str, Any] = {} if name is None else {"alias": name, "name": name}
    for theirs, ours in PARTS.items():
        text = given.get(theirs)
        values[ours] = to_liquid(ours, text) if isinstance(text, str) else text
    return dict(read_fields(TemplateInput, values))


def read_name(data: Mapping[str, Any]) -> str:
    name = data.get("TemplateName")
    if not isinstance(name, str) or not name:
        reject("alias", "Must be a name: letters, digits, - and _.", "required")
    return name


def show_template(template: Template) -> dict[str, Any]:
    """One template: its draft, in Liquid."""
    content = {theirs: getattr(template, ours) for theirs, ours in PARTS.items() if getattr(template, ours)}
    return {"TemplateName": template.alias or str(template.pk), "TemplateContent": content}


def write_mail(content: RenderedContent) -> str:
    """A rendered template as a mail without sender and recipients."""
    parts = MessageContent(
        from_=Mailbox(address=""),
        to=(),
        subject=content.subject,
        date=timezone.now(),
        message_id="template",
        html=content.html,
        text=content.text,
    )
    head = date("Date", parts.date) + unstructured("Subject", parts.subject) + b"MIME-Version: 1.0\r\n"
    return (head + b"".join(data for _, data in lay_out(parts, is_personal=False))).decode("ascii")


class TemplateViewSet(SesViewSet):
    """`/v2/email/templates`. The path holds an alias or an id."""

    scopes: ClassVar = {
        "list": scopes.TEMPLATES_READ,
        "retrieve": scopes.TEMPLATES_READ,
        "create": scopes.TEMPLATES_WRITE,
        "update": scopes.TEMPLATES_WRITE,
        "destroy": scopes.TEMPLATES_WRITE,
        "render": scopes.TEMPLATES_READ,
    }
    # It stores nothing.
    unaudited: ClassVar = frozenset({"render"})
    queries: ClassVar = {"list": TemplateListQuery}

    def get_queryset(self) -> QuerySet[Template]:
        rows: QuerySet[Template] = self.project.templates.current()
        return rows

    def find(self, name: str) -> Template:
        """The template, for the entry of the audit log too. Raises NotFoundError."""
        self.touched = found = find_template(self.project, name)
        return found

    def list(self, request: Request) -> Response:
        """Templates, newest first."""
        rows, size = self.get_queryset(), self.query["PageSize"]
        if "NextToken" in self.query:
            rows = rows.filter(pk__lt=self.query["NextToken"])
        page = list(rows.order_by("-pk")[: size + 1])
        names = [
            {"TemplateName": row.alias or str(row.pk), "CreatedTimestamp": row.created_at.timestamp()}
            for row in page[:size]
        ]
        shown: dict[str, Any] = {"TemplatesMetadata": names}
        return Response({**shown, "NextToken": str(page[size - 1].pk)} if len(page) > size else shown)

    def retrieve(self, request: Request, name: str) -> Response:
        """One template."""
        return Response(show_template(self.find(name)))

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Create a template."""
        data = take(read_object(request), ("TemplateName", "TemplateContent"), "CreateEmailTemplate")
        template, version = build_new(self.project, read_template(data, name=read_name(data)))
        yield
        self.touched = store_new(template, version)
        return Response({})

    @recorded
    def update(self, request: Request, name: str) -> Generator[None, None, Response]:
        """Replace the content of a template."""
        template = self.find(name)
        values = read_template(take(read_object(request), ("TemplateContent",), "UpdateEmailTemplate"))
        version = build_changed(template, values)
        yield
        store_changed(template, values, version)
        return Response({})

    @recorded
    def destroy(self, request: Request, name: str) -> Generator[None, None, Response]:
        """Delete a template. Mail that was accepted with it is still sent."""
        template = self.find(name)
        self.read_body()
        yield
        delete_template(template)
        return Response({})

    def render(self, request: Request, name: str) -> Response:
        """The template with variables, as a mail; nothing is stored or sent."""
        template = self.find(name)
        data = read_data(take(read_object(request), ("TemplateData",), "TestRenderEmailTemplate").get("TemplateData"))
        return Response(
            {"RenderedTemplate": write_mail(preview_template(template, data, PreviewOptions(is_mail=True)))}
        )
