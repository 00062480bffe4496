"""The mail that may be claimed now, as far as providers, domains and senders decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from messages.sending.queue.turns import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimScope:
    """The projects whose mail may be claimed now.

    `open_projects` have a usable provider of their own, `closed_projects` have only unusable ones. All others use the
    shared providers, of which at least one is usable if `is_shared_open`.
    """

    is_shared_open: bool
    open_projects: Sequence[UUID]
    closed_projects: Sequence[UUID]
    # The projects that deliver directly to the recipients' servers, and the domains that take no more mail now, each
    # with the time for which that may last.
    is_shared_direct: bool = False
    direct_projects: Sequence[UUID] = ()
    closed_domains: Mapping[str, timedelta] = field(default_factory=dict)
    # The senders that were found to be refused just now.
    closed_senders: Sequence[UUID] = ()
    # The number of recipients that this worker child may hold more of one project at the shared providers: of those in
    # `shared_rooms`, which it holds some of, and of each other project. None is any number.
    shared_rooms: Mapping[UUID, int] = field(default_factory=dict)
    shared_room: int | None = None

    def admits(self, tenant: Tenant) -> bool:
        """Whether a provider takes the tenant's mail now."""
        if tenant.is_simulated or tenant.project_id in self.open_projects:
            return True
        return self.is_shared_open and tenant.project_id not in self.closed_projects

    def find_room(self, tenant: Tenant, limit: int) -> int:
        """The number of the tenant's messages, at most `limit`, that may be claimed now."""
        if not self.admits(tenant):
            return 0
        if tenant.is_simulated or tenant.project_id in self.open_projects or self.shared_room is None:
            return limit
        return min(limit, self.shared_rooms.get(tenant.project_id, self.shared_room))

    def is_direct(self, tenant: Tenant) -> bool:
        """Whether the tenant's mail goes to the recipients' own servers, so that `closed_domains` hold for it."""
        if tenant.is_simulated or tenant.project_id in self.direct_projects:
            return not tenant.is_simulated
        is_shared = tenant.project_id not in self.open_projects and tenant.project_id not in self.closed_projects
        return self.is_shared_direct and is_shared
