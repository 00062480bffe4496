"""Templates of services without drafts: what is written there is published at once."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from accounts.models import Project
from templates_app.models import Template, Version
from templates_app.publishing import build_version, keep_publication
from templates_app.services import fill_draft, save_template, update_template


def build_new(project: Project, values: Mapping[str, Any]) -> tuple[Template, Version]:
    """A new template and its version, not stored. Slow: call it outside transactions. InvalidFieldsError."""
    template = fill_draft(Template(project=project), values)
    return template, build_version(template)


def store_new(template: Template, version: Version) -> Template:
    """Store what `build_new` returned. AliasTakenError."""
    saved = save_template(template)
    keep_publication(saved, version, None)
    return saved


def build_changed(template: Template, values: Mapping[str, Any]) -> Version:
    """The version of a template with changes, not stored. Slow: call it outside transactions. InvalidFieldsError."""
    return build_version(fill_draft(copy(template), values))


def store_changed(template: Template, values: Mapping[str, Any], version: Version) -> Template:
    """Store the changes, and publish what `build_changed` returned. AliasTakenError, NotFoundError."""
    saved = update_template(template, values)
    keep_publication(saved, version, None)
    return saved
