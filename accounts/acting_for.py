"""On whose behalf mail is accepted."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from accounts.models import ApiKey, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Staff in the admin, or a command, who act for a project without one of its keys.

    The project's own rules hold for them as for its keys; a key's limits (scopes, recipients) do not.
    """

    project: Project
    is_test: bool = False

    @property
    def project_id(self) -> UUID:
        return self.project.pk

    def admits_recipient(self, _address: str) -> bool:
        """As `ApiKey.admits_recipient`: to anybody."""
        return True


# Whoever asks for mail to be accepted.
Caller: TypeAlias = ApiKey | Delegate
