"""Claimed mail that a pause covers, or that is above its project's cap, is parked instead of sent; mail to suppressed
addresses ends here.

So mail that became due while a pause holds costs one claim. The other mail of the same pause in the queue follows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from ledger.batches import run_batches
from messages.pause_models import Pause
from messages.pausing import names
from messages.pausing.caps import take_cap
from messages.pausing.matching import find_covered
from messages.pausing.parking import park
from messages.pausing.permits import take_permits
from messages.pausing.settling import park_queued
from messages.pausing.state import pause_state
from messages.sending.claims import Claim, release_claims
from messages.sending.outcomes import suppress_recipients
from messages.states import StatusReason
from messages.transitions import lock_free_recipients, lock_messages
from tracking.suppressions.service import ClaimedMail, find_stopped

# The time that a worker may spend at once on other mail of a pause, while its conversations wait.
BACKLOG_SECONDS = 0.5


def drop_paused(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that no pause stops; a pause that slows lets as many pass as its pace allows."""
    if not claims or not pause_state.read().has_pauses:
        return list(claims)
    covered = find_covered([claim.recipient_id for claim in claims])
    stopped: dict[UUID, list[UUID]] = defaultdict(list)
    slowed: dict[UUID, list[UUID]] = defaultdict(list)
    for one in covered:
        (slowed if one.is_slow else stopped)[one.pause_id].append(one.recipient_id)
    for pause_id, ids in slowed.items():
        if late := ids[take_permits(pause_id, len(ids)) :]:
            stopped[pause_id] = late
    if not stopped:
        return list(claims)
    left = park_claims(claims, {names.of_pause(pk): ids for pk, ids in stopped.items()}, StatusReason.PAUSED)
    for pause in Pause.objects.filter(pk__in=stopped, ended_at=None):
        run_batches(lambda pause=pause: park_queued(pause), BACKLOG_SECONDS)  # type: ignore[misc]
    return left


def drop_capped(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that their projects' caps admit. A retry is not counted again."""
    if not claims or not pause_state.read().has_caps:
        return list(claims)
    first: dict[UUID, dict[UUID, list[UUID]]] = defaultdict(lambda: defaultdict(list))
    for claim in claims:
        if claim.number == 1 and not claim.is_simulated:
            first[claim.project_id][claim.message_id].append(claim.recipient_id)
    above: dict[str, list[UUID]] = {}
    for project_id, messages in first.items():
        late = list(messages.values())[take_cap(project_id, len(messages)) :]
        if late:
            above[names.of_cap(project_id)] = [pk for ids in late for pk in ids]
    return park_claims(claims, above, StatusReason.CAP) if above else list(claims)


def park_claims(claims: Sequence[Claim], parked: Mapping[str, Sequence[UUID]], reason: StatusReason) -> list[Claim]:
    """Give back and park the claims of `parked` (recipients by what parks them); return the others."""
    ids = {pk for recipients in parked.values() for pk in recipients}
    with transaction.atomic():
        free = lock_free_recipients(ids)
        release_claims([claim for claim in claims if claim.recipient_id in ids])
        for by, recipients in parked.items():
            park([pk for pk in recipients if pk in free], by, reason)
    return [claim for claim in claims if claim.recipient_id not in ids]


def drop_suppressed(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims whose address is not suppressed. The others become `suppressed` without an attempt."""
    causes = find_stopped(
        [
            ClaimedMail(
                recipient_id=taken.recipient_id,
                message_id=taken.message_id,
                project_id=taken.project_id,
                address=taken.address,
            )
            for taken in claims
        ]
    )
    dropped = [taken for taken in claims if taken.recipient_id in causes]
    if dropped:
        with transaction.atomic():
            lock_messages(taken.message_id for taken in dropped)
            release_claims(dropped)
            suppress_recipients({taken.recipient_id: causes[taken.recipient_id] for taken in dropped})
    return [taken for taken in claims if taken.recipient_id not in causes]
