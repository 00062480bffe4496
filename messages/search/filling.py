"""Fills the searched columns of messages that an earlier release stored, before or during an upgrade."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction

from ledger.batches import run_batches
from ledger.sql import as_rows, execute
from messages.models import Attachment, Message, Recipient, Subject
from messages.search.columns import build_columns

BATCH = 1_000
# Of one run of the task, which runs each minute.
SECONDS = 20.0
_FILL = """
UPDATE mail_subject s
SET sender = v.sender, recipients = v.recipients, tags = v.tags, filenames = v.filenames, pairs = v.pairs
FROM jsonb_to_recordset(%s::jsonb) AS v(
    message_id uuid, sender text, recipients text, tags text, filenames text, pairs text
)
WHERE s.message_id = v.message_id
"""


def fill_columns() -> int:
    """Fill rows in batches, the newest first, for a limited time. Returns their number."""
    return run_batches(fill_batch, SECONDS)


def fill_batch() -> int:
    with transaction.atomic():
        rows = Subject.objects.filter(recipients=None).order_by("-message_id").select_for_update(skip_locked=True)
        found = {row.message_id: row.metadata for row in rows[:BATCH]}
        addresses = group(Recipient.objects.filter(message__in=found).values_list("message_id", "address"))
        filenames = group(Attachment.objects.filter(message__in=found).values_list("message_id", "filename"))
        messages = Message.objects.filter(pk__in=found).values_list("pk", "from_address", "tags")
        filled: list[dict[str, object]] = [
            {
                "message_id": str(pk),
                **build_columns(
                    sender=sender, addresses=addresses[pk], tags=tags, filenames=filenames[pk], metadata=found[pk]
                ),
            }
            for pk, sender, tags in messages
        ]
        execute(_FILL, [as_rows(filled)])
    return len(filled)


def group(pairs: Iterable[tuple[UUID, str]]) -> Mapping[UUID, Sequence[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    for pk, text in pairs:
        found[pk].append(text)
    return found
