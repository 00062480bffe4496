"""What must hold for a project's mail at every moment, not only when nothing moves any more."""

from functools import cache
from uuid import UUID

from drills.harness.evidence import Evidence, RecipientRow, collect_recipients
from drills.harness.judge import (
    ENDED,
    list_illegal_paths,
    list_overlaps,
    list_without_reason,
    list_wrong_roll_ups,
)
from messages.models import Recipient
from messages.states import TRANSITIONS, Status


@cache
def list_reachable(status: Status) -> frozenset[Status]:
    """The state and all to which its transitions lead, one after the other."""
    found, new = {status}, {status}
    while new := {after for before in new for after in TRANSITIONS[before]} - found:
        found |= new
    return frozenset(found)


def list_broken(project_id: UUID) -> list[str]:
    """The violations among a project's recipients."""
    evidence = Evidence(accepted=[], recipients=collect_recipients([project_id]), taken=[])
    checks = (list_illegal_paths, list_wrong_roll_ups, list_overlaps, list_without_reason)
    found = [line for check in checks for line in check(evidence)]
    # A lease that has expired is not yet swept: that is legitimate until the sweep.
    leased = set(
        Recipient.objects.filter(project=project_id, lease_token__isnull=False).values_list("message_id", "address")
    )
    return found + [
        f"{row.address} is {row.status} and nothing will ever look at it"
        for row in evidence.recipients
        if not is_ended_or_pending(row) and (row.email_id, row.address) not in leased
    ]


def is_ended_or_pending(row: RecipientRow) -> bool:
    """`delivering` without a next attempt is pending if the provider said so: it tries on, and tells the end."""
    return row.status in ENDED or row.is_pending or (row.status is Status.DELIVERING and row.is_told)
