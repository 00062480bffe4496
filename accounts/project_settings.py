"""What a project may do: its name and addresses, control headers and link schemes."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import TypedDict

from django.db import transaction

from accounts.models import TURN_WEIGHTS, Project
from accounts.services import ProjectExistsError, check_project_name
from common.errors import ApiError
from ledger.unique_values import is_taken

# The name of a header field (RFC 5322, 2.2), or the beginning of several.
HEADER_PATTERN = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]{1,127}\*?")


# RFC 3986, 3.1; and the schemes that run code, or read what the reader can read.
LINK_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
FORBIDDEN_SCHEMES = frozenset(
    ("javascript", "data", "vbscript", "file", "blob", "filesystem", "about", "view-source", "livescript", "mocha")
)


class InvalidHeaderPatternError(ApiError):
    """{pattern} is not the name of a header. Write X-SMTPAPI, or X-MC-* for all that begin so."""

    code = "invalid_header_pattern"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidLinkSchemeError(ApiError):
    """{scheme} is not a scheme that links may have. Write myapp or webcal; javascript, data and file never."""

    code = "invalid_link_scheme"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidTurnWeightError(ApiError):
    """{weight} is not a weight: it is a whole number from 1 to 100."""

    code = "invalid_turn_weight"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


def check_header_pattern(pattern: str) -> str:
    """A header's name, which may end in `*`. Raises `InvalidHeaderPatternError`."""
    if not HEADER_PATTERN.fullmatch(pattern):
        raise InvalidHeaderPatternError(pattern=pattern)
    return pattern


def set_allowed_headers(project: Project, patterns: Sequence[str]) -> None:
    """Allow the project these control headers and no others. Raises `InvalidHeaderPatternError`."""
    project.allowed_headers = list(dict.fromkeys(check_header_pattern(pattern) for pattern in patterns))
    project.save(update_fields=["allowed_headers"])


def check_link_scheme(scheme: str) -> str:
    """A scheme in lower case, without a colon. Raises `InvalidLinkSchemeError`, for those that run code too."""
    name = scheme.strip().lower().removesuffix("://").removesuffix(":")
    if not LINK_SCHEME.fullmatch(name) or name in FORBIDDEN_SCHEMES:
        raise InvalidLinkSchemeError(scheme=scheme.strip()[:80])
    return name


def set_link_schemes(project: Project, schemes: Sequence[str]) -> None:
    """Allow links of the project's templates these schemes beside the usual ones. Raises `InvalidLinkSchemeError`."""
    project.link_schemes = list(dict.fromkeys(check_link_scheme(scheme) for scheme in schemes))
    project.save(update_fields=["link_schemes"])


def set_turn_weight(project: Project, weight: int) -> None:
    """Give the project `weight` turns where another one has one. Raises `InvalidTurnWeightError`."""
    if weight not in TURN_WEIGHTS:
        raise InvalidTurnWeightError(weight=str(weight)[:20])
    project.turn_weight = weight
    project.save(update_fields=["turn_weight"])


def set_may_send_critical(project: Project, *, is_allowed: bool) -> None:
    """Let every key of the project send critical mail, or only those with the scope for it."""
    project.may_send_critical = is_allowed
    project.save(update_fields=["may_send_critical"])


def set_guard_percent(project: Project, column: str, percent: float | None) -> None:
    """Set a threshold of the guard, `guard_bounce_percent` or `guard_complaint_percent`; None: never."""
    setattr(project, column, percent)
    project.save(update_fields=[column])


class ProjectValues(TypedDict):
    """All that a project's representation holds. Addresses are checked before; `default_from` may have a name."""

    name: str
    contact_email: str
    default_from: str
    allowed_headers: Sequence[str]
    link_schemes: Sequence[str]
    guard_bounce_percent: float | None
    guard_complaint_percent: float | None


def change_project(project: Project, values: ProjectValues) -> Project:
    """Give the project these values, all of them; the same values again change nothing.

    Raises `ProjectExistsError`, `InvalidProjectNameError`, `InvalidHeaderPatternError` or `InvalidLinkSchemeError`.
    """
    project.name = check_project_name(values["name"])
    project.contact_email, project.default_from = values["contact_email"], values["default_from"]
    project.guard_bounce_percent = values["guard_bounce_percent"]
    project.guard_complaint_percent = values["guard_complaint_percent"]
    with transaction.atomic():
        if is_taken(project, name=project.name):
            raise ProjectExistsError
        guard = ("guard_bounce_percent", "guard_complaint_percent")
        project.save(update_fields=["name", "contact_email", "default_from", *guard])
        set_allowed_headers(project, values["allowed_headers"])
        set_link_schemes(project, values["link_schemes"])
    return project
