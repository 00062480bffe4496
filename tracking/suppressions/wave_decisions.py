"""Decide on suppressions that are held back: apply or drop all of a wave together."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from ledger.sql import execute
from tracking.models import SuppressionReason, SuppressionWave
from tracking.suppressions.service import Entry, suppress_many
from tracking.suppressions.wave_models import WaveDecision
from tracking.suppressions.waves import lock_likenesses

# Nobody decided for this long: the suppressions are dropped.
KEPT = timedelta(days=7)
# One statement suppresses at most so many addresses, so that memory is bounded.
GROUP = 1_000


def decide(wave: SuppressionWave, decision: WaveDecision) -> int | None:
    """Close an open wave: suppress its addresses if the decision is APPLIED, else only forget them.

    The result is their number, or None when the wave was closed before. One transaction.
    """
    with transaction.atomic():
        lock_likenesses([wave.likeness])
        if not SuppressionWave.objects.filter(pk=wave.pk, closed_at=None).select_for_update().exists():
            return None
        count = _apply(wave) if decision is WaveDecision.APPLIED else wave.entries.count()
        wave.entries.all().delete()
        SuppressionWave.objects.filter(pk=wave.pk).update(closed_at=Now(), decision=decision, entry_count=count)
    return count


def _apply(wave: SuppressionWave) -> int:
    count = 0
    projects = wave.entries.order_by("project_id").values_list("project_id", flat=True).distinct()
    for project_id in list(projects):
        last = ""
        while entries := _read(wave, project_id, last):
            last = entries[-1].address
            count += len(entries)
            suppress_many(project_id, entries)
    return count


def _read(wave: SuppressionWave, project_id: UUID, after: str) -> Sequence[Entry]:
    rows = wave.entries.filter(project_id=project_id, address__gt=after).order_by("address")[:GROUP]
    return [
        Entry(address=row.address, reason=SuppressionReason.BOUNCE, note=row.note, message_id=row.message_id)
        for row in rows
    ]


def expire_waves() -> int:
    """Drop the waves that nobody has decided in time, and return their number."""
    old = SuppressionWave.objects.filter(closed_at=None, opened_at__lt=Now() - KEPT)
    return sum(decide(wave, WaveDecision.EXPIRED) is not None for wave in old)


def purge_counts() -> None:
    """Delete counts and addresses that are older than the window."""
    for statement in (
        "DELETE FROM tracking_refusalcount WHERE slot_at < now() - %s",
        "DELETE FROM tracking_refusedaddress WHERE refused_at < now() - %s",
    ):
        execute(statement, [2 * settings.SUPPRESSION_WAVE_WINDOW])


def count_open() -> int:
    """The number of waves that wait for a person."""
    return SuppressionWave.objects.filter(closed_at=None).count()
