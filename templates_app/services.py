"""The verbs of templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import Project
from common.errors import FieldError, InvalidFieldsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a template makes of its variables."""

    version_id: UUID
    template_id: UUID
    subject: str
    html: str | None
    text: str | None


class Renderer:
    """Renders a project's templates; one may serve a whole batch."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def render(self, template_ref: str, variables: Mapping[str, Any]) -> Rendered:
        raise InvalidFieldsError([FieldError("template_id", "template_not_found", "The project has no such template.")])
