"""Content of accepted emails, rendered from a published version."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import thread_time
from typing import Any, Never
from uuid import UUID

from django.db.models import Q

from accounts.models import Project
from common.errors import MAX_ERRORS, FieldError, InvalidFieldsError, join_path
from common.text import find_control_character
from ledger.cached_rows import cached_rows
from templates_app.errors import (
    TemplateError,
    UnsafeLinkError,
    UnsafeResultError,
    VariableMissingError,
)
from templates_app.html.link_policy import SCHEMES, is_allowed
from templates_app.languages import BASE
from templates_app.layouts import Parts
from templates_app.liquid.limits import MAX_SECONDS, RenderBudget
from templates_app.models import Version
from templates_app.processor_time import processor_time_of
from templates_app.template_parts import ParsedCache, ParsedVersion, RenderStyle, parse_parts, render_parts

VARIABLES = "template_vars"
# For one process. A parsed template takes some ten times the memory of its source.
CACHE = ParsedCache(max_count=500, max_size=16 * 1024 * 1024)
# The renderings of a request share `MAX_SECONDS`, and this much more for each: honest ones take less.
SECONDS_EACH = 0.02
# Each rendering of a batch gets at least this much time, however much the others took together.
LEAST_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The result of a published version and its variables. `html` or `text` may be None, not both; neither is blank.

    `html_pieces` are those of the HTML's rendering.
    """

    version_id: UUID
    template_id: UUID
    subject: str
    html: str | None
    text: str | None
    html_pieces: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The cached result of a look-up by name."""

    template_id: UUID
    version_id: UUID
    parsed: ParsedVersion


class Renderer:
    """Renders a project's templates; one instance may serve a whole request.

    An instance looks up each name once, so all emails of a batch get the same version. The time of each rendering,
    successful or not, is subtracted from those that follow, so that a batch of slow ones costs little more than one.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.resolved: dict[str, Resolved | InvalidFieldsError] = {}
        self.left = MAX_SECONDS

    def render(self, template_ref: str, variables: Mapping[str, Any], locale: str = "") -> Rendered:
        """The content for `template_ref`, the id or alias of a published template, in the language for `locale`.

        Raises `InvalidFieldsError` (422) with the codes `template_not_found`, `template_not_published`,
        `template_variable_missing` (field `template_vars.<path>`, one for each), `template_limit_exceeded`,
        `template_render_error`, `template_result_unsafe` and `template_result_empty`.
        """
        resolved = self.resolve(template_ref)
        started = thread_time()
        try:
            name, parsed = resolved.parsed.choose(locale)
            style = RenderStyle(locale=name, link_schemes=self.project.link_schemes)
            with processor_time_of(self.project.pk):
                content = render_parts(parsed, variables, RenderBudget(max(LEAST_SECONDS, self.left)), style)
        except TemplateError as error:
            raise InvalidFieldsError(list_render_errors(error, variables, self.project.link_schemes)) from None
        finally:
            self.left = min(MAX_SECONDS, self.left + SECONDS_EACH - (thread_time() - started))
        return Rendered(
            version_id=resolved.version_id,
            template_id=resolved.template_id,
            subject=content.subject,
            html=content.html,
            text=content.text,
            html_pieces=content.html_pieces,
        )

    def resolve(self, template_ref: str) -> Resolved:
        if template_ref not in self.resolved:
            try:
                self.resolved[template_ref] = find_published(self.project, template_ref)
            except InvalidFieldsError as error:
                self.resolved[template_ref] = error
        found = self.resolved[template_ref]
        if isinstance(found, InvalidFieldsError):
            raise found
        return found


def render_for_accept(
    project: Project, *, template_ref: str, variables: Mapping[str, Any], locale: str = ""
) -> Rendered:
    """As `Renderer.render`, for one email."""
    return Renderer(project).render(template_ref, variables, locale)


def match_ref(ref: str) -> Q:
    """The query condition for an id or alias. No alias has the form of an id."""
    try:
        return Q(id=UUID(ref))
    except ValueError:
        # PostgreSQL rejects NUL in parameters.
        return Q(alias=ref) if "\0" not in ref else Q(pk=None)


def find_published(project: Project, ref: str) -> Resolved:
    """The published version that `ref` names, parsed. Raises `InvalidFieldsError` if there is none."""
    row = read_published(project, ref)
    if row is None or row[1] is None:
        # Nobody is refused because of what was cached.
        row = read_published(project, ref, is_fresh=True)
    if row is None:
        refuse_content("template_not_found", "The project has no template with this id or alias.")
    template_id, version_id = row
    if version_id is None:
        refuse_content("template_not_published", "The template has not been published yet.")
    parsed = CACHE.get(version_id) or load(version_id)
    return Resolved(template_id=template_id, version_id=version_id, parsed=parsed)


def read_published(project: Project, ref: str, *, is_fresh: bool = False) -> tuple[UUID, UUID | None] | None:
    """The ids of the template and of its published version; cached for a short time (`ledger.cached_rows`)."""

    def read() -> tuple[UUID, UUID | None] | None:
        # Made here: a query that nobody sends costs as much as the rendering.
        found = project.templates.current().filter(match_ref(ref))
        return found.values_list("id", "published_version_id").first()

    return cached_rows.get(("template", project.pk, ref), read, is_fresh=is_fresh)


def load(version_id: UUID) -> ParsedVersion:
    """Read, parse and cache a version, with all its languages."""
    columns = ("subject", "html", "text", "locales", "default_locale")
    subject, html, text, locales, default = Version.objects.values_list(*columns).get(id=version_id)
    sources = {BASE: Parts(subject=subject, html=html, text=text)} | {
        name: Parts(subject=parts["subject"], html=parts["html"], text=parts["text"]) for name, parts in locales.items()
    }
    try:
        parsed = ParsedVersion(
            editions={name: parse_parts(parts) for name, parts in sources.items()}, default_locale=default
        )
    except TemplateError as error:
        # It could be parsed when it was published, so the language has changed since.
        refuse_content(error.code, f"The template must be published again. {error}")
    CACHE.put(version_id, parsed, sum(len(each.subject) + len(each.html) + len(each.text) for each in sources.values()))
    return parsed


def refuse_content(code: str, message: str) -> Never:
    raise InvalidFieldsError([FieldError("template_id", code, message)])


def list_render_errors(
    error: TemplateError, variables: Mapping[str, Any], link_schemes: Collection[str] = ()
) -> list[FieldError]:
    """The fields of the request that caused an error in rendering."""
    match error:
        case VariableMissingError(paths=paths):
            return [
                FieldError(f"{VARIABLES}.{path}", error.code, f"The template needs the variable {path}.")
                for path in paths[:MAX_ERRORS]
            ]
        case UnsafeLinkError():
            allowed = SCHEMES["href"].union(link_schemes)
            field = find_culprit(variables, lambda text: not is_allowed(text.lower(), allowed))
        case UnsafeResultError():
            field = find_culprit(variables, lambda text: find_control_character(text) is not None)
        case _:
            field = VARIABLES
    return [FieldError(field, error.code, str(error))]


def find_culprit(variables: Mapping[str, Any], is_guilty: Callable[[str], bool]) -> str:
    """The first variable for which `is_guilty`; all variables if no single one is."""
    texts = islice(list_texts(variables, VARIABLES), MAX_TEXTS)
    return next((path for path, text in texts if is_guilty(text)), VARIABLES)


# Maximum number of values checked in search of the cause.
MAX_TEXTS = 1_000


def list_texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every string in `value` with its path."""
    match value:
        case str():
            yield path, value
        case Mapping():
            for key, item in value.items():
                yield from list_texts(item, join_path(path, key))
        case list():
            for index, item in enumerate(value):
                yield from list_texts(item, join_path(path, index))
