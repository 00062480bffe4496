"""From a draft to a version that mail is made from."""

from django.db import transaction

from common.errors import ConflictError, FieldError, InvalidFieldsError, NotFoundError
from templates_app.draft_checks import as_field_error, build_source
from templates_app.errors import LayoutError, TemplateError
from templates_app.layouts import compile_source
from templates_app.liquid.variables import list_optional_variables, list_variables
from templates_app.models import Template, Version
from templates_app.template_parts import parse_parts


class EditedMeanwhileError(ConflictError):
    """The draft was changed while it was being published. Look at it and publish again."""

    code = "edited_meanwhile"


def publish_template(template: Template, number: int | None = None) -> Version:
    """Make mail from the draft as it is now, or again from version `number`. Nothing new is made of an unchanged draft.

    `InvalidFieldsError` for what is wrong with a part or the layout, `EditedMeanwhileError`, `NotFoundError` for the
    number.
    """
    return keep_publication(template, None if number else build_version(template), number)


def keep_publication(template: Template, made: Version | None, number: int | None) -> Version:
    """Let mail be made from `made`, or without it from version `number`. Errors as of `publish_template`."""
    with transaction.atomic():
        current = Template.objects.current().select_for_update().filter(pk=template.pk).first()
        if current is None:
            raise NotFoundError
        if made is None:
            version = find_version(current, number or 0)
        elif current.updated_at != template.updated_at:
            raise EditedMeanwhileError
        else:
            version = keep_version(current, made)
        current.published_version = version
        current.save(update_fields=["published_version"])
    template.published_version = version
    return version


def build_version(template: Template) -> Version:
    """The draft compiled, parsed and found whole; not yet stored. Takes long: outside of transactions."""
    try:
        if template.layout and not template.layout.published_version:
            raise LayoutError("publish the layout first", part="layout")
        source = build_source(template)
        parts = compile_source(source)
        parsed = parse_parts(parts)
    except TemplateError as error:
        raise InvalidFieldsError([as_field_error(error)]) from None
    if not parts.html.strip() and not parts.text.strip():
        raise InvalidFieldsError([FieldError("html", "required", "A template needs HTML, MJML or text.")])
    return Version(
        template=template,
        subject=parts.subject,
        html=parts.html,
        text=parts.text,
        base_html=source.html if source.html != parts.html else "",
        mjml=source.mjml,
        is_inlined=source.is_inlined,
        layout_count=source.depth,
        variables=list_variables(*parsed.list_parts()),
        optional_variables=list_optional_variables(*parsed.list_parts()),
    )


# Two versions that agree in these are one.
CONTENT = ("subject", "html", "text", "base_html", "mjml", "is_inlined", "layout_count")


def keep_version(template: Template, made: Version) -> Version:
    """The newest version where `made` says the same, else `made`, stored under the next number."""
    last = template.versions.order_by("-number").first()
    if last and all(getattr(last, name) == getattr(made, name) for name in CONTENT):
        return last
    made.number = last.number + 1 if last else 1
    made.save(force_insert=True)
    return made


def find_version(template: Template, number: int) -> Version:
    """`NotFoundError` when there is no such version."""
    version = template.versions.filter(number=number).first()
    if version is None:
        raise NotFoundError
    return version
