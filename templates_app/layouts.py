"""Combines an author's sources with their layout into the sources that are rendered."""

from dataclasses import dataclass, replace

from templates_app.errors import LayoutError, TemplateLimitError
from templates_app.html.compiling import compile_mjml, inline_css
from templates_app.liquid.lexer import PieceKind, cut_source
from templates_app.liquid.limits import MAX_LAYOUTS, MAX_SOURCE

SLOT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """The parts as written, or filled into their layout. HTML is written as HTML or MJML, or missing.

    `depth` counts the layouts around it.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    mjml: str = ""
    is_inlined: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The Liquid that is rendered. A missing part is empty."""

    subject: str
    html: str
    text: str


def fill_layout(layout: TemplateSource, content: TemplateSource) -> TemplateSource:
    """`content` inside `layout`. Raises `LayoutError` if the two do not fit."""
    if layout.depth >= MAX_LAYOUTS:
        raise LayoutError(f"more than {MAX_LAYOUTS} layouts are nested", part="layout")
    if content.mjml and not layout.mjml:
        raise LayoutError("a template in MJML needs a layout in MJML", part="layout")
    filled = replace(content, depth=layout.depth + 1, is_inlined=content.is_inlined or layout.is_inlined)
    if content.mjml:
        filled = replace(filled, mjml=fill_slot(layout.mjml, content.mjml))
    elif content.html:
        filled = replace(filled, html=fill_slot(layout.html or compile_mjml(layout.mjml), content.html))
    elif layout.html and is_layout(content):
        filled = replace(filled, html=layout.html)
    if content.text and layout.text:
        filled = replace(filled, text=fill_slot(layout.text, content.text))
    elif layout.text and is_layout(content):
        # A layout without this part passes on the slot of the one around it.
        filled = replace(filled, text=layout.text)
    return filled


def is_layout(source: TemplateSource) -> bool:
    """Whether another template can be filled into `source`: it has a slot in some part."""
    return any(
        piece.kind is PieceKind.OUTPUT and piece.inner == SLOT
        for part in (source.html, source.mjml, source.text)
        for piece in cut_source(part)
    )


def fill_slot(layout: str, content: str) -> str:
    """`layout` with `content` in place of its single `{{ content }}`."""
    slots = [piece for piece in cut_source(layout) if piece.kind is PieceKind.OUTPUT and piece.inner == SLOT]
    if len(slots) != 1:
        raise LayoutError("the layout must contain {{ content }} exactly once", part="layout")
    filled = layout[: slots[0].start] + content + layout[slots[0].end :]
    if len(filled) > MAX_SOURCE:
        raise TemplateLimitError("the template is too large with its layout", part="layout")
    return filled


def compile_source(source: TemplateSource) -> Parts:
    """The parts of `source`, compiled and ready to be parsed. Raises a `TemplateError` if compilation fails."""
    html = compile_mjml(source.mjml) if source.mjml else source.html
    if html and source.is_inlined:
        html = inline_css(html)
    return Parts(subject=source.subject, html=html, text=source.text)
