"""The end of closed projects: their mail stops, and after the days of grace their rows are deleted in batches.

A closing remembers its step and place, so that it goes on after a crash where it was. The audit log and the closing
itself outlive the project.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.lifetimes.closing import list_due_closings
from accounts.models import Closing, Project
from accounts.services import write_audit
from ledger.sql import as_ids, execute, fetch, fetch_as, fetch_column
from messages.attachments import sweep_files
from messages.lifetimes.message_parts import delete_messages
from messages.lifetimes.stopping import Pending, stop_pending
from messages.states import OPEN_STATUSES, Status, StatusReason

# ruff: noqa: S608 - statements built from constants
RUN_SECONDS = 10.0
BATCH = 500
# A message's status is the first of these if any recipient has it, see `states.ROLL_UP`.
_PENDING = f"""
SELECT r.id AS recipient_id, r.message_id, r.status, r.lease_token IS NOT NULL AS is_leased
FROM mail_message m JOIN mail_recipient r ON r.message_id = m.id
WHERE m.project_id = %s AND m.status IN ('{Status.SCHEDULED}', {OPEN_STATUSES})
  AND r.status IN ('{Status.SCHEDULED}', {OPEN_STATUSES}) LIMIT {BATCH}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What a batch has deleted, by table; `place` is where the next one begins, None when the step is done."""

    place: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


Part = Callable[[UUID, str], Deleted]


def delete_mail(project_id: UUID, _place: str) -> Deleted:
    """Messages with all that is theirs, also the targets of their links."""
    ids = fetch_column(
        f"SELECT id FROM mail_message WHERE project_id = %s ORDER BY id LIMIT {BATCH} FOR UPDATE", [project_id]
    )
    count = delete_messages(ids)
    forget_links(ids)
    return Deleted(place="" if ids else None, counts={"mail_message": count})


def forget_links(message_ids: Sequence[UUID]) -> int:
    execute("DELETE FROM tracking_linkowner WHERE message_id = ANY(%s::uuid[])", [as_ids(message_ids)])
    return execute("DELETE FROM tracking_trackedlinks WHERE message_id = ANY(%s::uuid[])", [as_ids(message_ids)])


def delete_rows(table: str, project_id: UUID, _place: str) -> Deleted:
    """Rows of a table that has an index by project."""
    count = execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE project_id = %s LIMIT {BATCH})", [project_id]
    )
    return Deleted(place="" if count else None, counts={table: count})


def delete_deliveries(project_id: UUID, place: str) -> Deleted:
    """Posts to endpoints, along the whole log: those of removed endpoints have no other index."""
    return _walk("webhooks_webhookdelivery", "id", project_id, place, _delete_deliveries)


def delete_link_targets(project_id: UUID, place: str) -> Deleted:
    """Targets of links whose mail retention has deleted."""
    return _walk("tracking_trackedlinks", "message_id", project_id, place, forget_links)


def _delete_deliveries(ids: Sequence[UUID]) -> int:
    return execute("DELETE FROM webhooks_webhookdelivery WHERE id = ANY(%s::uuid[])", [as_ids(ids)])


def _walk(table: str, key: str, project_id: UUID, place: str, delete: Callable[[Sequence[UUID]], int]) -> Deleted:
    page = fetch(
        f"SELECT {key}, project_id FROM {table} WHERE {key} > %s ORDER BY {key} LIMIT {10 * BATCH}",
        [place or UUID(int=0)],
    )
    own = [pk for pk, owner in page if owner == project_id]
    count = delete(own) if own else 0
    return Deleted(place=str(page[-1][0]) if page else None, counts={table: count})


def delete_files(project_id: UUID, _place: str) -> Deleted:
    """Contents of attachments; the storage's files are noted for removal by the same statement."""
    count = execute(
        f"""
        WITH gone AS (
            DELETE FROM mail_attachmentcontent WHERE id IN (
                SELECT id FROM mail_attachmentcontent WHERE project_id = %s LIMIT {BATCH})
            RETURNING id, storage_name
        ), noted AS (
            INSERT INTO mail_upload (name, created_at) SELECT storage_name, '-infinity' FROM gone
            WHERE storage_name <> '' ON CONFLICT DO NOTHING
        )
        SELECT id FROM gone
        """,
        [project_id],
    )
    return Deleted(place="" if count else None, counts={"mail_attachmentcontent": count})


def delete_rest(project_id: UUID, _place: str) -> Deleted:
    """The project itself, with keys, streams, templates, domains, providers, endpoints: some rows each."""
    # Django deletes what belongs to others first; all else locks these rows in the one order (docs/decisions/0205), so
    # they are locked in that order before. Nothing may be added to a project that goes: its own row is locked whole.
    project = Project.objects.select_for_update().filter(pk=project_id).first()
    if project is None:
        return Deleted()
    for rows in (project.messages, project.suppressions, project.endpoints):
        list(rows.select_for_update().order_by("pk").values_list("pk"))
    _, by_model = project.delete()
    return Deleted(counts={label.lower().replace(".", "_"): count for label, count in by_model.items()})


# Tables that grow, each with an index by project. What is left after them is small.
GROWING = (
    "tracking_event",
    "tracking_visit",
    "tracking_suppression",
    "tracking_heldsuppression",
    "tracking_rollup",
    "accounts_idempotencykey",
    "accounts_notice",
    "accounts_requestentry",
)
STEPS: Mapping[str, Part] = {
    "mail": delete_mail,
    **{table: partial(delete_rows, table) for table in GROWING},
    "deliveries": delete_deliveries,
    "links": delete_link_targets,
    "files": delete_files,
    "rest": delete_rest,
}
ORDER: Sequence[str] = tuple(STEPS)


def stop_mail(closing: Closing) -> bool:
    """End a batch of the project's mail; whether some is left that can be ended now."""
    with transaction.atomic():
        pending = fetch_as(Pending, _PENDING, [closing.project_id])
        applied = stop_pending(pending, StatusReason.PROJECT_CLOSED) if pending else []
        if not pending:
            Closing.objects.filter(pk=closing.pk, stopped_at=None).update(stopped_at=Now())
    return bool(applied)


def delete_batch(pk: UUID) -> bool:
    """One batch of a closing's deletion; whether there is more to do. Another worker's is left alone."""
    with transaction.atomic():
        rows = Closing.objects.select_for_update(skip_locked=True, no_key=True)
        row = rows.filter(pk=pk, deleted_at=None, stopped_at__isnull=False, delete_at__lte=Now()).first()
        if row is None:
            return False
        row.step = row.step or ORDER[0]
        done = STEPS[row.step](row.project_id, row.place)
        row.counts = dict(Counter(row.counts) + Counter(done.counts))
        move_along(row, done.place)
        row.save(update_fields=["counts", "step", "place", "deleted_at"])
        if row.deleted_at is not None:
            write_audit("command", "delete_project", row.project_name, id=str(row.project_id), counts=row.counts)
    return row.deleted_at is None


def move_along(row: Closing, place: str | None) -> None:
    """To the place, or to the next step; after the last one the project is deleted."""
    if place is not None:
        row.place = place
        return
    later = ORDER[ORDER.index(row.step) + 1 :]
    row.step, row.place = later[0] if later else row.step, ""
    if not later:
        row.deleted_at = Now()


def end_projects(clock: Callable[[], float] = time.monotonic) -> int:
    """Go on with all closings for a limited time; the result is the number of batches."""
    count, until = 0, clock() + RUN_SECONDS
    for closing in list_due_closings():
        while clock() < until and stop_mail(closing):
            count += 1
        while clock() < until and delete_batch(closing.pk):
            count += 1
    if count:
        sweep_files()
    return count
