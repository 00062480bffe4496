"""A look at what a template makes of variables, before anything is sent."""

from collections.abc import Mapping
from typing import Any

from common.errors import InvalidFieldsError
from templates_app.analysis import build_sample
from templates_app.drafts import as_field_error, build_source
from templates_app.errors import TemplateError
from templates_app.layouts import SLOT, Parts, compile_source
from templates_app.limits import Purse
from templates_app.models import Template
from templates_app.parsed import Content, parse_parts, render_parts
from templates_app.publishing import find_version
from templates_app.renderer import list_render_errors


def preview_template(
    template: Template, variables: Mapping[str, Any], *, number: int | None = None, is_mail: bool = False
) -> Content:
    """What the draft, or version `number`, makes of `variables`; errors as of `Renderer.render`, and of the draft.

    Where `is_mail`, the result must be fit to be sent: a subject is needed. Else a layout may be looked at alone.
    """
    try:
        parsed = parse_parts(read_parts(template, number))
    except TemplateError as error:
        raise InvalidFieldsError([as_field_error(error)]) from None
    given = dict(variables) if is_mail else {SLOT: SLOT_SAMPLE, **variables}
    try:
        return render_parts(parsed, given, Purse(), needs_subject=is_mail)
    except TemplateError as error:
        raise InvalidFieldsError(list_render_errors(error, variables)) from None


# What stands in the place of a layout's content when it is looked at alone.
SLOT_SAMPLE = "Here stands the content."


def read_parts(template: Template, number: int | None) -> Parts:
    if number is None:
        return compile_source(build_source(template))
    version = find_version(template, number)
    return Parts(subject=version.subject, html=version.html, text=version.text)


def build_variables_sample(template: Template) -> dict[str, object]:
    """An object for `template_vars` with an empty value wherever the draft reads one; empty where it is broken."""
    try:
        return build_sample(*parse_parts(compile_source(build_source(template))).list_parts())
    except TemplateError:
        return {}
