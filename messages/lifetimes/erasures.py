"""Erases an address from a project: asks for it, does it step by step, and keeps the proof.

An erasure is a row with its step and place. Each batch is a transaction that moves both, so that it goes on after a
crash where it was, and two workers do not disturb each other. It may be asked for again: that finds nothing more, or
what came since.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Project
from messages.attachments import sweep_files
from messages.lifetimes.erasing import recipients, texts
from messages.lifetimes.erasing.patterns import write_pattern
from messages.lifetimes.erasing.work import Step, StepResult, Subject
from messages.models import Erasure, ErasureStatus
from tracking.suppressions.erased import hash_address

RUN_SECONDS = 10.0


def hash_list(subject: Subject, _place: str) -> StepResult:
    """The suppression list keeps the address as a hash."""
    return StepResult(counts=recipients.hash_suppressions(subject, hash_address(subject.project_id, subject.address)))


# In this order: the address stays suppressed throughout, and rows lose it only when no worker sends to it any more.
STEPS: Mapping[str, Step] = {
    "suppressions": hash_list,
    "mail": recipients.end_mail,
    "recipients": recipients.replace_recipients,
    **texts.STEPS,
}
ORDER: Sequence[str] = tuple(STEPS)


def request_erasure(project: Project, address: str, requested_by: str) -> Erasure:
    """Ask for the erasure of an address, whose case does not matter, in the caller's transaction if there is one."""
    row = Erasure.objects.create(
        project=project,
        address=address.lower(),
        address_hash=hash_address(project.pk, address),
        requested_by=requested_by,
        step=ORDER[0],
    )
    row.refresh_from_db()
    return row


def run_erasure(pk: UUID) -> Iterator[StepResult]:
    """Do an erasure batch by batch, each committed. Ends when it is done, or when another worker is at it."""
    while (progress := run_batch(pk)) is not None:
        yield progress
    # The network is asked outside of transactions.
    sweep_files()


def run_batch(pk: UUID) -> StepResult | None:
    """One batch of an erasure; None if nothing is left to do, or another worker does it."""
    with transaction.atomic():
        row = (
            Erasure.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(pk=pk, status=ErasureStatus.RUNNING)
            .first()
        )
        if row is None:
            return None
        assert row.address is not None
        subject = Subject(
            project_id=row.project_id,
            address=row.address,
            pattern=write_pattern(row.address),
            asked_at=row.created_at,
        )
        progress = STEPS[row.step](subject, row.place)
        row.counts = dict(Counter(row.counts) + progress.counts)
        move_on(row, progress.place)
        row.save(update_fields=["counts", "step", "place", "status", "address", "finished_at"])
    return progress


def move_on(row: Erasure, place: str | None) -> None:
    """To the place, or to the next step; after the last one the address is forgotten."""
    if place is not None:
        row.place = place
        return
    later = ORDER[ORDER.index(row.step) + 1 :]
    row.step, row.place = (later[0], "") if later else ("", "")
    if not later:
        row.status, row.address = ErasureStatus.DONE, None
        row.finished_at = Now()  # the database's time


def run_erasures(clock: Callable[[], float] = time.monotonic) -> int:
    """Go on with all erasures for a limited time, the oldest first; one that waits for a worker holds up no other."""
    count, until = 0, clock() + RUN_SECONDS
    for pk in list(Erasure.objects.filter(status=ErasureStatus.RUNNING).order_by("id").values_list("pk", flat=True)):
        for progress in run_erasure(pk):
            count += sum(progress.counts.values())
            if progress.is_waiting or clock() >= until:
                break
        if clock() >= until:
            break
    return count


def show_proof(row: Erasure) -> Mapping[str, str | datetime | dict[str, int] | UUID | None]:
    """The proof of an erasure, for commands; it does not name the address."""
    return {
        "id": row.pk,
        "project": row.project.name,
        "status": row.status,
        "address_hash": row.address_hash,
        "requested_by": row.requested_by,
        "counts": row.counts,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }
