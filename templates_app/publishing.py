"""Publishes drafts as versions, from which mail is made."""

from dataclasses import dataclass

from django.db import transaction

from common.errors import ConflictError, FieldError, InvalidFieldsError, NotFoundError
from templates_app.draft_checks import as_field_error, build_source, name_part
from templates_app.errors import LayoutError, TemplateError
from templates_app.languages import BASE
from templates_app.layouts import TemplateSource, compile_source
from templates_app.liquid.variables import list_optional_variables, list_variables
from templates_app.models import VERSION_PARTS, Template, Version
from templates_app.template_parts import ParsedTemplate, parse_parts


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
    if template.layout and not template.layout.published_version:
        error = LayoutError("publish the layout first", part="layout")
        raise InvalidFieldsError([as_field_error(error)])
    base = build_edition(template, BASE)
    editions = {locale: build_edition(template, locale) for locale in template.locales}
    needs_subject = bool(base.parts["subject"])
    for locale, edition in editions.items():
        if needs_subject and not edition.parts["subject"]:
            raise InvalidFieldsError([FieldError(f"locales.{locale}.subject", "required", "A subject is required.")])
    parsed = [part for edition in (base, *editions.values()) for part in edition.parsed.list_parts()]
    return Version(
        template=template,
        **base.parts,
        is_inlined=base.source.is_inlined,
        layout_count=base.source.depth,
        locales={locale: edition.parts for locale, edition in editions.items()},
        default_locale=template.default_locale,
        variables=list_variables(*parsed),
        optional_variables=list_optional_variables(*parsed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One language of a draft in its layout, compiled and parsed."""

    source: TemplateSource
    parts: dict[str, str]
    parsed: ParsedTemplate


def build_edition(template: Template, locale: str) -> Edition:
    """The draft in one of its languages. Raises `InvalidFieldsError`."""
    try:
        source = build_source(template, locale)
        parts = compile_source(source)
        parsed = parse_parts(parts)
    except TemplateError as error:
        raise InvalidFieldsError([as_field_error(name_part(error, locale))]) from None
    if not parts.html.strip() and not parts.text.strip():
        field = f"locales.{locale}.html" if locale else "html"
        raise InvalidFieldsError([FieldError(field, "required", "A template needs HTML, MJML or text.")])
    base_html = source.html if source.html != parts.html else ""
    own = {"subject": parts.subject, "html": parts.html, "text": parts.text}
    return Edition(source=source, parts={**own, "base_html": base_html, "mjml": source.mjml}, parsed=parsed)


# Two versions that agree in these fields are the same.
CONTENT = (*VERSION_PARTS, "is_inlined", "layout_count", "locales", "default_locale")


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
