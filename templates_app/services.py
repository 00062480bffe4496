"""Operations on templates, and the public interface of the package."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Project
from common.errors import ConflictError, FieldError, FieldErrors, InvalidFieldsError, NotFoundError
from ledger.unique_values import is_taken
from templates_app.accepted_content import Rendered, Renderer, match_ref, render_for_accept
from templates_app.draft_checks import Needs, as_field_error, check_draft, is_alias, list_layouts, list_needs
from templates_app.errors import TemplateError
from templates_app.languages import LOCALE_RULE, MAX_LOCALES, is_locale, normalize_locale
from templates_app.models import PARTS, Template
from templates_app.previews import PreviewOptions, build_variables_sample, preview_template
from templates_app.publishing import publish_template
from templates_app.template_parts import RenderedContent

__all__ = [
    "FIELDS",
    "AliasTakenError",
    "Needs",
    "PreviewOptions",
    "Rendered",
    "RenderedContent",
    "Renderer",
    "build_variables_sample",
    "create_template",
    "delete_template",
    "fill_draft",
    "find_template",
    "is_alias",
    "list_needs",
    "match_ref",
    "preview_template",
    "publish_template",
    "render_for_accept",
    "save_template",
    "update_template",
]


class AliasTakenError(ConflictError):
    """The project already has a template with the alias {alias}."""

    code = "alias_taken"


class TemplateInUseError(ConflictError):
    """The template is the layout of other templates: {names}. Give them another layout first."""

    code = "template_in_use"


# The fields that an author may write.
FIELDS = ("alias", "name", *PARTS, "locales", "default_locale", "layout", "inline_css")


def find_template(project: Project, ref: str) -> Template:
    """The project's template with the id or alias `ref`. Raises `NotFoundError`."""
    found = project.templates.current().with_relations().filter(match_ref(ref)).first()
    if found is None:
        raise NotFoundError
    return found


def create_template(project: Project, values: Mapping[str, Any]) -> Template:
    """A new draft of `values`, whose names are `FIELDS`; `layout` is an id or alias.

    Raises `InvalidFieldsError` for invalid fields, or `AliasTakenError`.
    """
    return save_template(fill_draft(Template(project=project), values))


def update_template(template: Template, values: Mapping[str, Any]) -> Template:
    """The draft, updated with `values`. Raises the errors of `create_template`."""
    with transaction.atomic():
        current = Template.objects.current().select_for_update().filter(pk=template.pk).first()
        if current is None:
            raise NotFoundError
        return save_template(fill_draft(current, values))


def fill_draft(template: Template, values: Mapping[str, Any]) -> Template:
    """`template` with `values`, validated, its needed variables updated; not stored."""
    errors = FieldErrors()
    for name in FIELDS:
        if name in values:
            with errors.collect():
                setattr(
                    template, name, find_layout(template.project, values[name]) if name == "layout" else values[name]
                )
    template.name = template.name or template.alias or ""
    if not template.name:
        errors.add("name", "required", "A template needs a name or an alias.")
    if template.html and template.mjml:
        errors.add("mjml", "content_conflict", "Give html or mjml, not both.")
    check_languages(template, errors)
    needs, problems = check_draft(template)
    errors.errors += [as_field_error(problem) for problem in problems]
    try:
        list(list_layouts(template))
    except TemplateError as error:
        errors.errors.append(as_field_error(error))
    errors.raise_all()
    template.variables, template.optional_variables = needs.variables, needs.optional_variables
    return template


def check_languages(template: Template, errors: FieldErrors) -> None:
    """Normalize the names of the draft's languages, and check that each has a body of one kind."""
    if template.default_locale and not is_locale(template.default_locale):
        errors.add("default_locale", "invalid_locale", LOCALE_RULE)
        template.default_locale = ""
    template.default_locale = normalize_locale(template.default_locale)
    given, template.locales = template.locales or {}, {}
    if len(given) > MAX_LOCALES:
        errors.add("locales", "too_many_locales", f"Must have at most {MAX_LOCALES} languages.")
        return
    for locale, parts in given.items():
        field = f"locales.{locale}"
        if not is_locale(locale):
            errors.add(field, "invalid_locale", LOCALE_RULE)
        elif parts.get("html") and parts.get("mjml"):
            errors.add(f"{field}.mjml", "content_conflict", "Give html or mjml, not both.")
        elif not any(parts.get(name) for name in ("html", "mjml", "text")):
            errors.add(f"{field}.html", "required", "A language needs HTML, MJML or text.")
        elif normalize_locale(locale) in template.locales:
            errors.add(field, "duplicate_locale", "This language occurs twice, in another spelling.")
        else:
            template.locales[normalize_locale(locale)] = {name: parts.get(name) or "" for name in PARTS}


def save_template(template: Template) -> Template:
    """Store a validated draft. Raises `AliasTakenError`."""
    with transaction.atomic():
        alias = template.alias
        if alias and is_taken(template, project_id=template.project_id, alias=alias, deleted_at=None):
            raise AliasTakenError(alias=alias)
        if template._state.adding:
            template.save(force_insert=True)
        else:
            template.save(update_fields=[*FIELDS, "variables", "optional_variables", "updated_at"])
    return template


def find_layout(project: Project, ref: str | None) -> Template | None:
    if not ref:
        return None
    try:
        return find_template(project, ref)
    except NotFoundError:
        raise InvalidFieldsError(
            [FieldError("layout", "template_not_found", "The project has no template with this id or alias.")]
        ) from None


def delete_template(template: Template) -> None:
    """Delete a template; mail that was made from it is unchanged. Raises `TemplateInUseError` for a layout in use."""
    with transaction.atomic():
        Template.objects.select_for_update().get(pk=template.pk)
        users = [str(user) for user in template.contents.current().order_by("id")[:10]]
        if users:
            raise TemplateInUseError(names=", ".join(users))
        Template.objects.filter(pk=template.pk).update(deleted_at=timezone.now(), layout=None)
