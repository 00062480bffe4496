"""Our templates in Postmark's form. Source: https://postmarkapp.com/developer/api/templates-api."""

from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Right

from accounts.models import Project
from common.serializers import SingleLineField, StrictChoiceField
from gateways.postmark.queries import RowsQuery
from templates_app.layouts import SLOT
from templates_app.models import Template

# Postmark's ids are numbers. Ours end in 62 random bits (RFC 9562, 5.7), of which JavaScript's numbers can hold these.
DIGITS = 12
MAX_NUMBER = 16**DIGITS - 1
STANDARD, LAYOUT = "Standard", "Layout"
SLOT_FORM = rf"\{{\{{-?\s*{SLOT}\s*-?\}}\}}"


class TemplateRowsQuery(RowsQuery):
    """The list's parameters."""

    templateType = StrictChoiceField(choices=["All", STANDARD, LAYOUT], required=False)  # noqa: N815  Postmark's names
    layoutTemplate = SingleLineField(required=False, max_length=100)  # noqa: N815


def write_number(pk: UUID) -> int:
    """The `TemplateId` of a template."""
    return int(pk.hex[-DIGITS:], 16)


def find_ids(project: Project, number: int) -> list[UUID]:
    """The ids of the project's templates with this `TemplateId`, the oldest first: mostly one or none."""
    if not 0 <= number <= MAX_NUMBER:
        return []
    ends = Right(Cast("pk", TextField()), DIGITS)
    rows = project.templates.filter(deleted_at=None).annotate(end=ends).filter(end=f"{number:0{DIGITS}x}")
    return list(rows.order_by("pk").values_list("pk", flat=True)[:1])


def read_ref(project: Project, ref: str | int) -> str:
    """Our id or alias of the template that a number, an id or an alias names; what names none stays."""
    if isinstance(ref, int) or (ref.isascii() and ref.isdigit() and len(ref) <= len(str(MAX_NUMBER))):
        found = find_ids(project, int(ref))
        return str(found[0]) if found else str(ref)
    return ref


def select_templates(project: Project) -> QuerySet[Any]:
    """The project's templates, the oldest first, each with whether it is a layout: it is used as one, or could be,
    since it has no subject and a place for the content.
    """
    contents = Template.objects.filter(layout=OuterRef("pk"), deleted_at=None)
    has_slot = Q(html__regex=SLOT_FORM) | Q(mjml__regex=SLOT_FORM) | Q(text__regex=SLOT_FORM)
    is_layout = ExpressionWrapper(Exists(contents) | (Q(subject="") & has_slot), BooleanField())
    rows: QuerySet[Any] = project.templates.current().with_relations()
    marked: QuerySet[Any] = rows.annotate(is_layout=is_layout).order_by("pk")
    return marked


def show_listed_template(template: Any) -> dict[str, Any]:
    """A template in a list."""
    return {
        "Active": template.published_version_id is not None,
        "TemplateId": write_number(template.pk),
        "Name": template.name,
        "Alias": template.alias,
        "TemplateType": LAYOUT if template.is_layout else STANDARD,
        "LayoutTemplate": (template.layout.alias or str(template.layout_id)) if template.layout else None,
    }


def show_whole_template(template: Any) -> dict[str, Any]:
    """One template: its draft, in Liquid."""
    return {
        **show_listed_template(template),
        "Subject": template.subject,
        "HtmlBody": template.html or None,
        "TextBody": template.text or None,
        "AssociatedServerId": 0,
    }
