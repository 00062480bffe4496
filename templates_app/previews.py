"""Previews: render a template with variables without sending anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.errors import ApiError, FieldError, InvalidFieldsError
from common.strict_json import parse_json
from templates_app.accepted_content import list_render_errors
from templates_app.draft_checks import as_field_error, build_source
from templates_app.errors import TemplateError
from templates_app.languages import LOCALE_RULE, choose_locale, is_locale, normalize_locale
from templates_app.layouts import SLOT, Parts, compile_source
from templates_app.liquid.limits import RenderBudget
from templates_app.liquid.variables import build_sample
from templates_app.models import PARTS, Template
from templates_app.processor_time import processor_time_of
from templates_app.publishing import find_version
from templates_app.template_parts import RenderedContent, RenderStyle, parse_parts, render_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOptions:
    """What is previewed: the draft or version `number`, in the language for `locale`.

    With `is_mail` the result must be fit for sending: a subject is required. Otherwise a layout may be rendered alone.
    """

    number: int | None = None
    locale: str = ""
    is_mail: bool = False


def preview_template(
    template: Template, variables: Mapping[str, Any], options: PreviewOptions = PreviewOptions()
) -> RenderedContent:
    """The template rendered with `variables`. Raises errors of `Renderer.render` and of the draft."""
    schemes = template.project.link_schemes
    try:
        with processor_time_of(template.project_id):
            locale, parts = read_parts(template, options)
            parsed = parse_parts(parts)
    except TemplateError as error:
        raise InvalidFieldsError([as_field_error(error)]) from None
    given = dict(variables) if options.is_mail else {SLOT: SLOT_SAMPLE, **variables}
    style = RenderStyle(locale=locale, link_schemes=schemes, needs_subject=options.is_mail)
    try:
        with processor_time_of(template.project_id):
            return render_parts(parsed, given, RenderBudget(), style)
    except TemplateError as error:
        raise InvalidFieldsError(list_render_errors(error, variables, schemes)) from None


# Stands for the content when a layout is previewed alone.
SLOT_SAMPLE = "Here stands the content."


def read_parts(template: Template, options: PreviewOptions) -> tuple[str, Parts]:
    """The name of the chosen language, and its parts."""
    if options.number is None:
        name = template.choose(options.locale) or template.default_locale
        return name, compile_source(build_source(template, options.locale))
    version = find_version(template, options.number)
    name = choose_locale(options.locale, version.locales, version.default_locale)
    source = version.locales[name] if name else {part: getattr(version, part) for part in ("subject", "html", "text")}
    parts = Parts(subject=source["subject"], html=source["html"], text=source["text"])
    return name or version.default_locale, parts


def build_variables_sample(template: Template) -> dict[str, object]:
    """An object for `template_vars` with an empty value wherever the draft reads one; empty if the draft is broken."""
    try:
        return build_sample(*parse_parts(compile_source(build_source(template))).list_parts())
    except TemplateError:
        return {}


# For the frame that shows a draft's HTML: no scripts, no requests but those of mail programs.
FRAME_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src http: https: data:; "
    "style-src 'unsafe-inline' http: https:; font-src http: https:; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}


def preview_posted(posted: Mapping[str, str]) -> RenderedContent:
    """The preview of an unsaved draft. Raises `InvalidFieldsError` and other `ApiError`s.

    `posted` has the fields of the form, `variables` and `locales` as JSON, and `preview_locale`, the language to show;
    missing fields are taken from the template with the id `template`.
    """
    variables = read_posted_object(posted, "variables")
    locale = posted.get("preview_locale", "").strip()
    if locale and not is_locale(locale):
        raise InvalidFieldsError([FieldError("locale", "invalid_locale", LOCALE_RULE)])
    return preview_template(read_draft(posted), variables, PreviewOptions(locale=locale))


def read_posted_object(posted: Mapping[str, str], name: str) -> dict[str, Any]:
    """The JSON object in a field of the form; {} without it. Raises InvalidFieldsError."""
    try:
        given = parse_json(posted.get(name, "").encode() or b"{}")
    except ApiError as error:
        raise InvalidFieldsError([FieldError(name, error.public_code, error.detail)]) from None
    if not isinstance(given, dict):
        raise InvalidFieldsError([FieldError(name, "invalid", "Must be a JSON object.")])
    return given


def read_languages(posted: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The parts in other languages as they are written. Raises InvalidFieldsError."""
    languages = read_posted_object(posted, "locales")
    for name, parts in languages.items():
        if not is_locale(name):
            raise InvalidFieldsError([FieldError("locales", "invalid_locale", LOCALE_RULE)])
        if not isinstance(parts, dict) or not all(isinstance(parts.get(part) or "", str) for part in PARTS):
            message = f"{name}: Must be an object with subject, html, text and mjml."
            raise InvalidFieldsError([FieldError("locales", "invalid", message)])
    return {
        normalize_locale(name): {part: parts.get(part) or "" for part in PARTS} for name, parts in languages.items()
    }


def read_draft(posted: Mapping[str, str]) -> Template:
    """The draft in `posted`, not stored. A layout of another project counts as missing."""
    saved = Template.objects.current().filter(pk=read_id(posted.get("template"))).first()
    draft = saved or Template(project_id=read_id(posted.get("project")))
    for name in PARTS:
        setattr(draft, name, posted.get(name, getattr(draft, name)))
    if "locales" in posted:
        draft.locales = read_languages(posted)
    if is_locale(posted.get("default_locale", "")):
        draft.default_locale = normalize_locale(posted["default_locale"])
    if "subject" in posted:
        draft.inline_css = "inline_css" in posted
        draft.layout = (
            Template.objects.current().filter(pk=read_id(posted.get("layout")), project_id=draft.project_id).first()
        )
    return draft


def read_id(text: str | None) -> UUID:
    """The id in `text`; if it is not an id, an id that no row has."""
    try:
        return UUID(text or "")
    except ValueError:
        return UUID(int=0)
