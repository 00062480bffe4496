"""Where a person's permission holds: in every project, in some, or in none.

`user.has_perm(permission)` says whether it holds in the whole installation: by Django's groups and permissions, by a
role without a project, and for superusers. Code that shows or changes rows of projects asks `find_reach` or
`visible_projects`; code that asks `has_perm` alone refuses people of one project.
"""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model, QuerySet

from accounts.models import Project
from accounts.people.models import Membership
from accounts.people.roles import ROLES_IN_INSTALLATION, ROLES_IN_PROJECT, Role

Person = AbstractBaseUser | AnonymousUser
Row = TypeVar("Row", bound=Model)
# The names of a user's roles, which are read once a request, and of what was found by them.
READ_ROLES = "_roles_by_project"
FOUND_REACHES = "_reach_by_permissions"


@dataclass(frozen=True, slots=True)
class Reach:
    """The projects in which a permission holds. None: every project, and also the rows that belong to none."""

    project_ids: frozenset[UUID] | None

    def __bool__(self) -> bool:
        return self.project_ids is None or bool(self.project_ids)

    def __or__(self, other: "Reach") -> "Reach":
        if self.project_ids is None or other.project_ids is None:
            return EVERYWHERE
        return Reach(self.project_ids | other.project_ids)

    def __and__(self, other: "Reach") -> "Reach":
        if self.project_ids is None or other.project_ids is None:
            return other if self.project_ids is None else self
        return Reach(self.project_ids & other.project_ids)

    @property
    def is_everywhere(self) -> bool:
        return self.project_ids is None

    def admits(self, project_id: UUID | None) -> bool:
        """Whether the permission holds for rows of this project; of None: for rows that belong to no project."""
        return self.project_ids is None or project_id in self.project_ids

    def limit(self, rows: QuerySet[Row], path: str = "project") -> QuerySet[Row]:
        """The ones among `rows` that belong to these projects. `path` leads to the project; `pk` for projects."""
        return rows if self.project_ids is None else rows.filter(**{f"{path}__in": self.project_ids})


EVERYWHERE = Reach(None)
NOWHERE = Reach(frozenset())


def find_reach(user: Person, *permissions: str) -> Reach:
    """Where one of the permissions, `"mail.view_message"`, holds for the user.

    It is found once for each instance of a user, as roles and Django's permissions are: a page of the admin asks for
    the same ones dozens of times.
    """
    kept: dict[tuple[str, ...], Reach] | None = getattr(user, FOUND_REACHES, None)
    if kept is None:
        kept = {}
        setattr(user, FOUND_REACHES, kept)
    if permissions not in kept:
        kept[permissions] = seek_reach(user, *permissions)
    return kept[permissions]


def seek_reach(user: Person, *permissions: str) -> Reach:
    if any(user.has_perm(each) for each in permissions):  # type: ignore[union-attr]  # both kinds have it
        return EVERYWHERE
    if not user.is_active:
        return NOWHERE
    roles = frozenset[Role]().union(*(ROLES_IN_PROJECT.get(each, ()) for each in permissions))
    return Reach(frozenset(pk for pk, role in read_roles(user).items() if pk is not None and role in roles))


def visible_projects(user: Person, permission: str = "accounts.view_project") -> QuerySet[Project]:
    """The projects in which the user has the permission: by default those that they may look at."""
    return find_reach(user, permission).limit(Project.objects.all(), "pk")


def read_roles(user: Any) -> dict[UUID | None, str]:
    """The user's role by project; None is the whole installation. Read once for each instance of a user."""
    kept: dict[UUID | None, str] | None = getattr(user, READ_ROLES, None)
    if kept is None:
        rows = Membership.objects.filter(user=user.pk) if user.pk else Membership.objects.none()
        kept = dict(rows.values_list("project_id", "role"))
        setattr(user, READ_ROLES, kept)
    return kept


def forget_roles(user: AbstractBaseUser) -> None:
    """Have this instance's roles read again: they were changed."""
    for name in (READ_ROLES, FOUND_REACHES):
        vars(user).pop(name, None)


def has_projects(user: Any) -> bool:
    """Whether the user has a role in some projects, and none in the whole installation."""
    roles = {} if user.is_superuser else read_roles(user)
    return bool(roles) and None not in roles


class RoleBackend(BaseBackend):
    """Gives Django's permissions to people whose role holds in the whole installation."""

    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return False
        return read_roles(user_obj).get(None) in ROLES_IN_INSTALLATION.get(perm, ())

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """As Django's own: whether the user has any permission of the app."""
        return any(self.has_perm(user_obj, name) for name in ROLES_IN_INSTALLATION if name.startswith(f"{app_label}."))
