"""The provider that a message would get, for those who only ask."""

from uuid import UUID

from providers.routing.selection import (
    SIMULATOR,
    ProviderRef,
    always_available,
    group_by_priority,
    keep_available,
    routes,
)


def foresee_provider(project_id: UUID, *, is_simulated: bool) -> ProviderRef | None:
    """The provider that a message would most likely get now: of equal ones the one with most weight. None without a
    usable one. Unlike `Routes.choose` it starts no probe.
    """
    if is_simulated:
        return SIMULATOR
    for group in group_by_priority(routes.list_candidates(project_id)):
        if usable := keep_available(group, [], always_available):
            return max(usable, key=lambda one: one.weight).provider
    return None


def find_listed_provider(project_id: UUID, provider_id: UUID) -> ProviderRef | None:
    """The provider with this id; None if the project's mail does not go by it any more."""
    listed = (each.provider for each in routes.list_candidates(project_id))
    return next((provider for provider in listed if provider.id == provider_id), None)
