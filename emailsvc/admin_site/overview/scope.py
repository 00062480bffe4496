"""The projects of the overview: those of the user, or the one that the URL names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.http import Http404, HttpRequest
from django.urls import reverse

from accounts.models import Project
from accounts.people.reach import find_reach, visible_projects

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewScope:
    """What the page is about: one project, `chosen`, or all that the user may see."""

    user: AbstractBaseUser | AnonymousUser
    chosen: Project | None = None
    _known: dict[str, Any] = field(default_factory=dict)

    def remember(self, key: str, load: Callable[[], Value]) -> Value:
        """What `load` returns, called once for the page."""
        if key not in self._known:
            self._known[key] = load()
        found: Value = self._known[key]
        return found

    def find_ids(self, permission: str) -> list[UUID]:
        """The projects of the page in which the user has the permission."""

        def load() -> list[UUID]:
            projects = visible_projects(self.user, permission)
            if self.chosen:
                projects = projects.filter(pk=self.chosen.pk)
            return list(projects.order_by().values_list("pk", flat=True))

        return self.remember(permission, load)

    def may(self, permission: str) -> bool:
        """Whether the user has the permission in a project of the page, or everywhere."""
        return self.has_everywhere(permission) or bool(self.find_ids(permission))

    def has_everywhere(self, permission: str) -> bool:
        """Whether the user has the permission in the whole installation, and so for rows of no project."""
        return find_reach(self.user, permission).is_everywhere

    def select(self, permission: str) -> Q:
        """Matches rows of the page's projects, and for who sees all of them rows of no project, which concern all."""
        if not self.has_everywhere(permission):
            return Q(project_id__in=self.find_ids(permission))
        return Q(project_id__in=[self.chosen.pk]) | Q(project=None) if self.chosen else Q()

    def link(self, name: str, *, is_by_project: bool = True, **query: object) -> str:
        """The URL of an admin list, filtered, and by the chosen project if the list has such a filter."""
        if self.chosen and is_by_project:
            query["project__id__exact"] = self.chosen.pk
        return f"{reverse(f'admin:{name}_changelist')}{f'?{urlencode(query)}' if query else ''}"


def read_scope(request: HttpRequest) -> OverviewScope:
    """The scope that the URL names. Http404 for a project that the user may not see, as for one that does not exist."""
    given = request.GET.get("project", "")
    if not given:
        return OverviewScope(user=request.user)
    try:
        project = visible_projects(request.user).filter(pk=UUID(given)).first()
    except ValueError:
        project = None
    if project is None:
        raise Http404
    return OverviewScope(user=request.user, chosen=project)
