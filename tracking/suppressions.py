"""The suppression list: who a project does not write to, why, and since when."""

from collections.abc import Collection
from uuid import UUID

from tracking.models import Suppression


def find_suppressed(project_id: UUID, addresses: Collection[str]) -> dict[str, str]:
    """Those of `addresses` that are suppressed, in lower case, each with its reason: one query for any number."""
    found = Suppression.objects.filter(project_id=project_id, address__in={address.lower() for address in addresses})
    return dict(found.values_list("address", "reason"))
