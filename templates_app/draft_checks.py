"""Checks of a draft before publication: its sources with their layout, their errors, and the variables they need."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from liquid import BoundTemplate

from common.errors import FieldError
from templates_app.errors import LayoutError, TemplateError, UnsafeLinkError, UnsubscribePlaceholderError
from templates_app.html.compiling import compile_mjml
from templates_app.html.link_policy import find_unsafe_link
from templates_app.languages import BASE
from templates_app.layouts import TemplateSource, fill_layout
from templates_app.liquid.environment import HTML, PLAIN
from templates_app.liquid.lexer import PieceKind, cut_source
from templates_app.liquid.limits import MAX_LAYOUTS
from templates_app.liquid.variables import list_optional_variables, list_variables
from templates_app.models import Template
from templates_app.template_parts import parse_part, parse_subject
from templates_app.unsubscribe_placeholder import describe_broken_placeholder, has_broken_placeholder

ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}\Z")
ALIAS_RULE = "Must begin with a letter, have at most 64 letters, digits and . _ -, and not look like an id."


def is_alias(text: str) -> bool:
    """Whether the alias is valid."""
    if not ALIAS.match(text):
        return False
    try:
        UUID(text)
    except ValueError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Needs:
    """Top-level names that `template_vars` must contain, and names that it may contain."""

    variables: list[str]
    optional_variables: list[str]


def check_draft(template: Template) -> tuple[Needs, list[TemplateError]]:
    """The variables that the draft's own sources need, and the errors of each part; layouts come later."""
    more = template.project.link_schemes
    parts: list[BoundTemplate] = []
    problems: list[TemplateError] = []
    for locale in (BASE, *template.locales):
        sources = template.parts_in(locale)
        found = len(problems)
        for name, check in CHECKS.items():
            try:
                parts.append(check(sources[name], more))
            except TemplateError as error:
                problems.append(name_part(error, locale))
        if sources["mjml"] and not template.layout_id and len(problems) == found:
            try:
                compile_mjml(sources["mjml"])
            except TemplateError as error:
                problems.append(name_part(error, locale))
    return Needs(list_variables(*parts), list_optional_variables(*parts)), problems


def name_part(error: TemplateError, locale: str) -> TemplateError:
    """`error` with its part named as in a request: `html`, or `locales.de.html`."""
    if locale != BASE and error.part != "layout":
        error.part = f"locales.{locale}.{error.part}"
    return error


def parse_text(source: str, _: Collection[str]) -> BoundTemplate:
    check_placeholder("text", source)
    return parse_part("text", source, PLAIN)


def parse_markup(part: str, source: str, more: Collection[str]) -> BoundTemplate:
    check_placeholder(part, source)
    parsed = parse_part(part, source, HTML)
    check_links(part, source, more)
    return parsed


def check_placeholder(part: str, source: str) -> None:
    """Reject an unsubscribe link that could not be filled in."""
    if has_broken_placeholder(source):
        raise UnsubscribePlaceholderError(describe_broken_placeholder(part), part=part)


def check_links(part: str, source: str, more: Collection[str]) -> None:
    """Reject a link whose fixed part is forbidden, whatever the variables are."""
    text = "".join(piece.inner if piece.kind is PieceKind.TEXT else VALUE for piece in cut_source(source))
    if (address := find_unsafe_link(text, more)) is not None:
        error = UnsafeLinkError(address)
        error.part = part
        raise error


CHECKS: Mapping[str, Callable[[str, Collection[str]], BoundTemplate]] = {
    "subject": lambda source, _: parse_subject(source),
    "text": parse_text,
    "html": partial(parse_markup, "html"),
    "mjml": partial(parse_markup, "mjml"),
}
# Stands for an output; it ends any text that could be a scheme.
VALUE = "/"


def list_layouts(template: Template) -> Iterator[Template]:
    """The layouts around `template`, the nearest first. Raises `LayoutError` if one of them is inside `template`."""
    layout = template.layout
    for _ in range(MAX_LAYOUTS):
        if layout is None:
            return
        if layout.pk == template.pk:
            raise LayoutError("the layout uses this template as its own layout", part="layout")
        yield layout
        layout = layout.layout
    if layout is not None:
        raise LayoutError(f"more than {MAX_LAYOUTS} layouts are nested", part="layout")


def list_needs(template: Template) -> Needs:
    """The variables that the draft and its layouts need, as they are written now."""
    around = [template, *list_layouts(template)]
    needed = {name for item in around for name in item.variables}
    optional = {name for item in around for name in item.optional_variables}
    return Needs(sorted(needed), sorted(optional - needed))


def build_source(template: Template, locale: str = "") -> TemplateSource:
    """The draft in its layout, in the language for `locale`: the layout's published version, or else its draft."""
    name = template.choose(locale)
    parts = template.parts_in(name)
    own = TemplateSource(
        subject=parts["subject"],
        html=parts["html"],
        text=parts["text"],
        mjml=parts["mjml"],
        is_inlined=template.inline_css,
    )
    layout = template.layout
    if layout is None:
        return own
    version = layout.published_version
    # One email has one language, also where the layout has more of them.
    language = name or template.default_locale
    return fill_layout(version.as_source(language) if version else build_source(layout, language), own)


def as_field_error(error: TemplateError) -> FieldError:
    """The error message for the author, assigned to the wrong part."""
    return FieldError(error.part, error.code, str(error))
