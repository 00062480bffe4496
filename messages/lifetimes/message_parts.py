"""Removes what belongs to messages that are over: bodies, files, attempts, and the messages themselves.

The walk goes along a project's messages by their ids, which are in the order of accepting. A message that is not over
when its turn comes is noted in `LatePurge`, so that no message is read twice for each hour that it is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from common.ids import least_id_at
from ledger.sql import as_ids, execute, fetch, fetch_column, fetch_value
from messages.lifetimes.over import IS_OVER

# ruff: noqa: S608 - statements built from constants
BATCH = 500
_OWN_RECIPIENTS = "SELECT id FROM mail_recipient WHERE message_id = ANY(%(ids)s::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    """A part of messages. `statements` remove it from those of `%(ids)s`; the first one's rows are counted.

    `joined` leads from a message `m` to the rows that are still there. `place` is the column of PurgeState that says
    how far the walk has come; a part that takes the messages with it needs none.
    """

    name: str
    statements: Sequence[str]
    joined: str
    place: str = ""


BODIES = MessagePart(
    name="bodies",
    statements=(
        "UPDATE mail_content SET html = '', text = '', tracked_places = NULL, bodies_purged_at = now()"
        " WHERE message_id = ANY(%(ids)s::uuid[]) AND bodies_purged_at IS NULL",
    ),
    joined="JOIN mail_content x ON x.message_id = m.id AND x.bodies_purged_at IS NULL",
    place="bodies_until",
)
# The sweep removes contents that no attachment names any more, with their files in the storage.
ATTACHMENTS = MessagePart(
    name="attachments",
    statements=(
        "UPDATE mail_attachment a SET size = c.size, content_id = NULL FROM mail_attachmentcontent c"
        " WHERE c.id = a.content_id AND a.message_id = ANY(%(ids)s::uuid[])",
    ),
    joined="JOIN mail_attachment x ON x.message_id = m.id AND x.content_id IS NOT NULL",
    place="attachments_until",
)
ATTEMPTS = MessagePart(
    name="attempts",
    statements=(f"DELETE FROM mail_attempt WHERE recipient_id IN ({_OWN_RECIPIENTS})",),
    joined="JOIN mail_recipient r ON r.message_id = m.id JOIN mail_attempt x ON x.recipient_id = r.id",
    place="attempts_until",
)
# Links lead on after their message is gone: see `tracking.models.LinkOwner`.
MESSAGES = MessagePart(
    name="messages",
    statements=(
        "INSERT INTO tracking_linkowner (recipient_id, message_id) SELECT r.id, r.message_id FROM mail_recipient r"
        " JOIN tracking_trackedlinks l ON l.message_id = r.message_id WHERE r.message_id = ANY(%(ids)s::uuid[])"
        " ON CONFLICT DO NOTHING",
        "UPDATE mail_message SET resent_from_id = NULL WHERE resent_from_id = ANY(%(ids)s::uuid[])",
        "UPDATE mail_incidentresend SET copy_id = NULL WHERE copy_id = ANY(%(ids)s::uuid[])",
        f"DELETE FROM mail_incidentresend WHERE recipient_id IN ({_OWN_RECIPIENTS})",
        f"DELETE FROM mail_attempt WHERE recipient_id IN ({_OWN_RECIPIENTS})",
        *(
            f"DELETE FROM {table} WHERE message_id = ANY(%(ids)s::uuid[])"
            for table in ("mail_recipient", "mail_attachment", "mail_content", "mail_subject", "mail_latepurge")
        ),
        "DELETE FROM mail_message WHERE id = ANY(%(ids)s::uuid[])",
    ),
    joined="",
)

_LATE = f"""
SELECT l.message_id FROM mail_latepurge l JOIN mail_message m ON m.id = l.message_id
WHERE l.project_id = %(project)s AND l.kind = %(kind)s AND {IS_OVER} ORDER BY l.message_id LIMIT {BATCH}
"""
_FORGET_LATE = """
DELETE FROM mail_latepurge WHERE project_id = %(project)s AND kind = %(kind)s AND message_id = ANY(%(ids)s::uuid[])
"""
_NOTE_LATE = """
INSERT INTO mail_latepurge (project_id, kind, message_id)
SELECT %(project)s, %(kind)s, m.id FROM mail_message m WHERE m.id = ANY(%(ids)s::uuid[]) ON CONFLICT DO NOTHING
"""
_NEXT = f"""
SELECT m.id, {IS_OVER} FROM mail_message m
WHERE m.project_id = %(project)s AND m.id > %(after)s AND m.id < %(end)s ORDER BY m.id LIMIT {BATCH}
"""
# Whoever changes a message's state locks it first. A message that is busy now is met again in an hour.
_LOCK = f"""
SELECT m.id FROM mail_message m WHERE m.id = ANY(%(ids)s::uuid[]) AND {IS_OVER} ORDER BY m.id FOR UPDATE SKIP LOCKED
"""


def remove_part(part: MessagePart, project_id: UUID, before: datetime) -> Iterator[int]:
    """Remove a part of all messages of a project that were over at a time, in batches; yields their rows."""
    return _remove_along(part, project_id, before) if part.place else _remove_whole(project_id, before)


def count_part(part: MessagePart, project_id: UUID, before: datetime) -> int:
    values = {"project": project_id, "before": before, "end": least_id_at(before)}
    return int(
        fetch_value(
            f"SELECT count(*) FROM mail_message m {part.joined}"
            f" WHERE m.project_id = %(project)s AND m.id < %(end)s AND {IS_OVER}",
            values,
        )
    )


def _remove_along(part: MessagePart, project_id: UUID, before: datetime) -> Iterator[int]:
    """Late messages first, then on from the place that the last purge reached."""
    values = {"project": project_id, "kind": part.name, "before": before}
    while late := fetch_column(_LATE, values):
        with transaction.atomic():
            ids = {"ids": as_ids(late)}
            count = execute(part.statements[0], ids)
            execute(_FORGET_LATE, values | ids)
        yield count
    end = least_id_at(before)
    while True:
        with transaction.atomic():
            after = _lock_place(part, project_id)
            page = fetch(_NEXT, {**values, "after": after, "end": end})
            count = execute(part.statements[0], {"ids": as_ids(pk for pk, is_over in page if is_over)})
            execute(_NOTE_LATE, {**values, "ids": as_ids(pk for pk, is_over in page if not is_over)})
            if page:
                execute(
                    f"UPDATE mail_purgestate SET {part.place} = %s WHERE project_id = %s", [page[-1][0], project_id]
                )
        yield count
        if len(page) < BATCH:
            return


def _lock_place(part: MessagePart, project_id: UUID) -> UUID:
    """The place, locked: two purges of a project follow each other."""
    execute("INSERT INTO mail_purgestate (project_id) VALUES (%s) ON CONFLICT DO NOTHING", [project_id])
    place: UUID = fetch_value(
        f"SELECT {part.place} FROM mail_purgestate WHERE project_id = %s FOR NO KEY UPDATE", [project_id]
    )
    return place


def _remove_whole(project_id: UUID, before: datetime) -> Iterator[int]:
    """What is left of earlier purges is little: the messages that are not over."""
    values = {"project": project_id, "before": before, "end": least_id_at(before)}
    after = UUID(int=0)
    while page := fetch(_NEXT, {**values, "after": after}):
        after = page[-1][0]
        over = [pk for pk, is_over in page if is_over]
        with transaction.atomic():
            count = delete_messages(fetch_column(_LOCK, {"ids": as_ids(over), "before": before})) if over else 0
        yield count


def delete_messages(ids: Sequence[UUID]) -> int:
    """Delete messages, which the caller has locked, with all rows that are theirs alone."""
    values = {"ids": as_ids(ids)}
    for statement in MESSAGES.statements[:-1]:
        execute(statement, values)
    return execute(MESSAGES.statements[-1], values)
