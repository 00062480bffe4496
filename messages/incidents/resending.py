"""Sends the mail of an incident again, to the affected recipients only, and to each at most once ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.acting_for import Delegate
from common.errors import ApiError
from ledger.sql import execute, fetch_column
from messages.models import IncidentResend, Message, Recipient
from messages.services import admit_again, store_again
from tracking.suppressions.reach import MailKind
from tracking.suppressions.service import find_suppressed

# The constraint decides between two commands at once: the second waits for the first one's transaction.
_TAKE = f"""
INSERT INTO {IncidentResend._meta.db_table} (recipient_id, actor, created_at)
SELECT r.id, %s, now() FROM mail_recipient r WHERE r.id = ANY(%s) ORDER BY r.id
ON CONFLICT DO NOTHING RETURNING recipient_id
"""  # noqa: S608 - the table's name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendResult:
    """What became of the affected recipients of one message. `copy` is None where none was sent: see `why`."""

    message_id: UUID
    copy: Message | None
    recipient_count: int = 0
    why: str = ""


def resend_affected(actor: str, message: Message, recipient_ids: Sequence[UUID]) -> ResendResult:
    """Accept a copy of `message` to those of its affected recipients that have had none yet.

    A recipient that is suppressed by now is left for later: it has had no copy. So is one whose copy is refused.
    """
    try:
        with transaction.atomic():
            rows = list_reachable(message, recipient_ids)
            taken = set(fetch_column(_TAKE, [actor, [row.pk for row in rows]]))
            rows = [row for row in rows if row.pk in taken]
            if not rows:
                return ResendResult(message_id=message.pk, copy=None, why="its recipients are suppressed or had a copy")
            caller = Delegate(project=message.project, is_test=message.is_test)
            copy = store_again(caller, message, admit_again(caller, message, rows))
            execute(
                f"UPDATE {IncidentResend._meta.db_table} SET copy_id = %s WHERE recipient_id = ANY(%s)",  # noqa: S608 - as above
                [copy.pk, list(taken)],
            )
    except ApiError as error:
        return ResendResult(message_id=message.pk, copy=None, why=error.detail)
    return ResendResult(message_id=message.pk, copy=copy, recipient_count=len(rows))


def list_reachable(message: Message, recipient_ids: Sequence[UUID]) -> list[Recipient]:
    """The message's recipients among these that no suppression stops."""
    rows = list(message.recipients.filter(pk__in=recipient_ids).order_by("position"))
    suppressed = find_suppressed(message.project_id, [row.address for row in rows], is_test=message.is_test)
    kind = MailKind.of(message.stream, offers_opt_out=message.enable_unsubscribe, priority=message.priority)
    return [row for row in rows if not kind.find_stop(suppressed.get(row.address.lower(), ()))]
