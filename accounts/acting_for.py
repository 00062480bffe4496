"""The party that a request acts for: an API key, or staff for a project."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias
from uuid import UUID

from accounts.models import ApiKey, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Staff in the admin, or a command, acting for a project without one of its keys.

    The project's rules apply to them; a key's limits (scopes, recipients) do not.
    """

    project: Project
    is_test: bool = False
    # Staff need nobody's approval.
    hold_for_approval: ClassVar[bool] = False

    @property
    def project_id(self) -> UUID:
        return self.project.pk

    @property
    def owner(self) -> Project:
        return self.project

    @property
    def owner_id(self) -> UUID:
        return self.project.pk

    def admits_recipient(self, _address: str) -> bool:
        """As `ApiKey.admits_recipient`: any recipient is allowed."""
        return True

    def admits_critical(self) -> bool:
        """As `ApiKey.admits_critical`: scopes are of keys."""
        return True


# The party that asks for mail to be accepted.
Caller: TypeAlias = ApiKey | Delegate
