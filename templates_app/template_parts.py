"""All parts of a template, parsed and rendered together."""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from liquid import BoundTemplate, Undefined
from liquid.builtin.expressions import Path

from common.text import find_control_character
from templates_app.errors import (
    EmptyResultError,
    TemplateError,
    TemplateLimitError,
    TemplateSyntaxError,
    UnsafeLinkError,
    UnsafeResultError,
    VariableMissingError,
)
from templates_app.html.link_policy import find_unsafe_link
from templates_app.languages import choose_locale
from templates_app.layouts import Parts
from templates_app.liquid.environment import HTML, PLAIN, BoundedContext, LiquidEnvironment, write_path
from templates_app.liquid.limits import MAX_SUBJECT, RenderBudget
from templates_app.liquid.render import UNSUBSCRIBE, Rendering, list_expressions, list_nodes, parse, render_pieces
from templates_app.liquid.variables import list_certain_paths


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedContent:
    """The content of an email. `html` or `text` is None if only blanks are left of it; one of them is set.

    `html_pieces` are those of the HTML's rendering.
    """

    subject: str
    html: str | None
    text: str | None
    html_pieces: Sequence[str]


NOTHING = Rendering("", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTemplate:
    """The parsed parts; None for a missing part. May be rendered by many threads at once."""

    subject: BoundTemplate
    html: BoundTemplate | None
    text: BoundTemplate | None

    def list_parts(self) -> list[BoundTemplate]:
        return [part for part in (self.subject, self.html, self.text) if part]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedVersion:
    """A version's languages, parsed; `BASE` is always among them."""

    editions: Mapping[str, ParsedTemplate]
    default_locale: str = ""

    def choose(self, locale: str) -> tuple[str, ParsedTemplate]:
        """The name of the language for `locale`, empty if the template does not say, and its parts."""
        name = choose_locale(locale, self.editions, self.default_locale)
        return name or self.default_locale, self.editions[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderStyle:
    """How a template is rendered: its language, the project's own schemes of links, and whether it is a whole email."""

    locale: str = ""
    link_schemes: Collection[str] = ()
    needs_subject: bool = True


def parse_parts(parts: Parts) -> ParsedTemplate:
    """Parse all parts. Raises the `TemplateError` of the first wrong part, with its name."""
    return ParsedTemplate(
        subject=parse_subject(parts.subject),
        html=parse_part("html", parts.html, HTML) if parts.html else None,
        text=parse_part("text", parts.text, PLAIN) if parts.text else None,
    )


def parse_part(part: str, source: str, environment: LiquidEnvironment) -> BoundTemplate:
    try:
        return parse(source, environment)
    except TemplateError as error:
        error.part = part
        raise


def parse_subject(source: str) -> BoundTemplate:
    """A subject may not contain the unsubscribe link, which nothing would fill in."""
    template = parse_part("subject", source, PLAIN)
    for node in list_nodes(template):
        for expression in list_expressions(node):
            if isinstance(expression, Path) and expression.path[0] == UNSUBSCRIBE:
                raise TemplateSyntaxError(f"{UNSUBSCRIBE} is not allowed in a subject", part="subject")
    return template


def render_parts(
    parsed: ParsedTemplate, variables: Mapping[str, object], budget: RenderBudget, style: RenderStyle = RenderStyle()
) -> RenderedContent:
    """The content of `parsed` for `variables`.

    Raises `VariableMissingError` with every missing variable that is certainly needed, or another `TemplateError`.
    """
    try:
        subject, html, text = (
            render_part(name, part, variables, budget, style.locale) if part else NOTHING
            for name, part in (("subject", parsed.subject), ("html", parsed.html), ("text", parsed.text))
        )
    except VariableMissingError as error:
        raise VariableMissingError(*dict.fromkeys([*error.paths, *find_missing(parsed, variables)])) from None
    check_subject(subject.text, needs_subject=style.needs_subject)
    check_html(html.text, style.link_schemes)
    if not html.text.strip() and not text.text.strip():
        raise EmptyResultError("HTML and text are both empty after rendering.", part="html")
    return RenderedContent(
        subject=subject.text,
        html=html.text if html.text.strip() else None,
        text=text.text if text.text.strip() else None,
        html_pieces=html.pieces,
    )


def render_part(
    part: str, template: BoundTemplate, variables: Mapping[str, object], budget: RenderBudget, locale: str
) -> Rendering:
    try:
        return render_pieces(template, variables, budget, locale)
    except TemplateError as error:
        error.part = part
        raise


def find_missing(parsed: ParsedTemplate, variables: Mapping[str, object]) -> Iterator[str]:
    """The paths that every rendering reads and that `variables` lacks."""
    context = BoundedContext(parsed.subject, variables, RenderBudget())
    for steps in list_certain_paths(*parsed.list_parts()):
        value = context.get(list(steps), token=None)
        if isinstance(value, Undefined):
            yield write_path(list(steps))


def check_subject(subject: str, *, needs_subject: bool) -> None:
    if found := find_control_character(subject):
        raise UnsafeResultError(f"The rendered subject contains the control character {found}.", part="subject")
    if len(subject) > MAX_SUBJECT:
        raise TemplateLimitError(f"the subject is longer than {MAX_SUBJECT} characters", part="subject")
    if needs_subject and not subject.strip():
        raise EmptyResultError("The subject is empty after rendering.", part="subject")


def check_html(html: str, link_schemes: Collection[str]) -> None:
    if (address := find_unsafe_link(html, link_schemes)) is not None:
        raise UnsafeLinkError(address)


class ParsedCache:
    """A cache of parsed versions: least recently used first out, limited by number and by the size of their sources.

    Versions never change, so an entry is never stale.
    """

    def __init__(self, max_count: int, max_size: int) -> None:
        self.max_count = max_count
        self.max_size = max_size
        self.size = 0
        self.entries: OrderedDict[UUID, tuple[ParsedVersion, int]] = OrderedDict()
        self.lock = Lock()

    def get(self, version_id: UUID) -> ParsedVersion | None:
        with self.lock:
            if version_id not in self.entries:
                return None
            self.entries.move_to_end(version_id)
            return self.entries[version_id][0]

    def put(self, version_id: UUID, parsed: ParsedVersion, size: int) -> None:
        with self.lock:
            self.size += size - self.entries.pop(version_id, (parsed, 0))[1]
            self.entries[version_id] = parsed, size
            while len(self.entries) > self.max_count or (self.size > self.max_size and len(self.entries) > 1):
                self.size -= self.entries.popitem(last=False)[1][1]
