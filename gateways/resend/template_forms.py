"""Our templates in Resend's form. Source: https://resend.com/docs/api-reference/templates/create-template."""

from collections.abc import Callable, Mapping
from typing import Any

from common.errors import InvalidFieldsError
from common.times import format_time
from common.validation import read_fields
from gateways.compat.rewriting import Rewrites, reject, rewrite
from gateways.resend.template_variables import Fallbacks, find_fallbacks, from_liquid, read_variables, to_liquid
from templates_app.models import Template
from templates_app.serializers import TemplateInput

# The parts that may have placeholders.
PARTS = ("subject", "html", "text")
OF_EMAILS = "Is not kept with a template here: give it with each email."


def keep(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: value}


def leave_to_emails(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda _: reject(name, OF_EMAILS, "not_supported")


REWRITES: Rewrites = {
    **{name: keep(name) for name in ("name", "alias", *PARTS)},
    "variables": lambda given: {"variables": read_variables(given)},
    "from": leave_to_emails("from"),
    "reply_to": leave_to_emails("reply_to"),
}


def read_template(data: Mapping[str, Any], present: Template | None = None) -> dict[str, Any]:
    """The values of a draft, or of the changes of the present one. Raises InvalidFieldsError or ValidationError."""
    unknown = [name for name in data if name not in REWRITES]
    body, errors = rewrite(data, REWRITES, ours=unknown, strict_about=("alias", *PARTS))
    if errors:
        raise InvalidFieldsError(errors)
    declared = body.pop("variables", None)
    fallbacks: Fallbacks = list_variables(present) if declared is None and present else declared or {}
    if declared is not None and present:
        # The fallbacks stand in the parts.
        body = {**{name: from_liquid(getattr(present, name)) for name in PARTS}, **body}
    parts = {name: to_liquid(body[name], fallbacks) for name in PARTS if isinstance(body.get(name), str)}
    values: dict[str, Any] = read_fields(TemplateInput, {**body, **parts})
    return values


def list_variables(template: Template) -> dict[str, str | int | float | None]:
    """The draft's variables with their fallbacks."""
    found = dict.fromkeys((*template.variables, *template.optional_variables))
    return {**found, **{key: value for part in PARTS for key, value in find_fallbacks(getattr(template, part)).items()}}


def copy_template(template: Template) -> dict[str, Any]:
    """The values of a copy, which has no alias, since another template has it."""
    names = ("name", *PARTS, "mjml", "locales", "default_locale", "inline_css")
    layout = {"layout": str(template.layout_id)} if template.layout_id else {}
    return {**{name: getattr(template, name) for name in names}, **layout}


def show_template_row(template: Template) -> dict[str, Any]:
    """A template in a list."""
    version = template.published_version
    return {
        "id": str(template.pk),
        "name": template.name,
        "alias": template.alias,
        "status": "published" if version else "draft",
        "published_at": format_time(version.created_at) if version else None,
        "created_at": format_time(template.created_at),
        "updated_at": format_time(template.updated_at),
    }


def show_template(template: Template) -> dict[str, Any]:
    """One template: its draft."""
    version = template.published_version
    times = {"created_at": format_time(template.created_at), "updated_at": format_time(template.updated_at)}
    return {
        "object": "template",
        **show_template_row(template),
        "current_version_id": str(version.pk if version else template.pk),
        "has_unpublished_versions": version is None or template.updated_at > version.created_at,
        "from": None,
        "reply_to": None,
        **{name: from_liquid(getattr(template, name)) or None for name in PARTS},
        "variables": [
            {"key": key, "type": "number" if isinstance(value, int | float) else "string", "fallback_value": value}
            | times
            for key, value in list_variables(template).items()
        ],
    }
