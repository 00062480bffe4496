"""Publishes drafts as versions, from which mail is made."""

from django.db import transaction

from common.errors import ConflictError, FieldError, InvalidFieldsError, NotFoundError
from templates_app.draft_checks import as_field_error, build_source
from templates_app.errors import LayoutError, TemplateError
from templates_app.layouts import compile_source
from templates_app.liquid.variables import list_optional_variables, list_variables
from templates_app.models import Template, Version
from templates_app.template_parts import parse_parts


class EditedMeanwhileError(ConflictError):
    """The draft was changed during publication. Check it and publish again."""

    code = "edited_meanwhile"


def publish_template(template: Template, number: int | None = None) -> Version:
    """Publish the current draft, or version `number` again. An unchanged draft creates no new version.

    Raises `InvalidFieldsError` for errors in a part or the layout, `EditedMeanwhileError`, or `NotFoundError` for the
    number.
    """
    return keep_publication(template, None if number else build_version(template), number)


def keep_publication(template: Template, made: Version | None, number: int | None) -> Version:
    """Publish `made`, or without it version `number`. Raises the errors of `publish_template`."""
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
    """The compiled, parsed and validated draft, not yet stored. Slow: call it outside of transactions."""
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


# Two versions that agree in these fields are the same.
CONTENT = ("subject", "html", "text", "base_html", "mjml", "is_inlined", "layout_count")


def keep_version(template: Template, made: Version) -> Version:
    """The newest version if it equals `made`, otherwise `made`, stored with the next number."""
    last = template.versions.order_by("-number").first()
    if last and all(getattr(last, name) == getattr(made, name) for name in CONTENT):
        return last
    made.number = last.number + 1 if last else 1
    made.save(force_insert=True)
    return made


def find_version(template: Template, number: int) -> Version:
    """The version; raises `NotFoundError` if it does not exist."""
    version = template.versions.filter(number=number).first()
    if version is None:
        raise NotFoundError
    return version
