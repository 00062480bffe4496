"""Operations of the inbox: store received mail, find it, delete it."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from delivery.mime.fields import BREAKS_TEXT, HeadLimits, find_field, split_fields
from inbox.models import Mail

# NOTIFY on this channel announces new mail, with its recipients in lower case as payload, one per line; or deleted
# mail; or an unspecified change, after which every waiter looks.
CHANNEL = "inbox"
DELETED = "-"
UNKNOWN = ""
PAYLOAD_BYTES = 4000  # PostgreSQL takes up to 8000
KEEP_COUNT = 10_000
KEEP_BYTES = 2 * 1024**3
SHOWN_CHARACTERS = 1000  # of a header in the list; the message's page shows all of it
LIST_FIELDS = ("id", "mail_from", "rcpt_to", "header_from", "header_to", "subject", "size", "received_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One SMTP transaction; `content` has CRLF line ends and no stuffed dots. `mail_from` is empty for `<>`."""

    mail_from: str
    rcpt_to: list[str]
    content: bytes
    remote_host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter for mail: `to` is one envelope recipient in any case; all words of `q` occur in envelope or headers."""

    to: str = ""
    q: str = ""

    def concerns(self, payload: str) -> bool:
        """Whether there may be new mail after such a notification."""
        if payload == DELETED:
            return False
        return payload == UNKNOWN or not self.to or self.to.lower() in payload.split("\n")


def store_mail(received: Received) -> UUID:
    """Store one mail and notify waiters. Database errors are raised: nothing is stored then."""
    fields, _ = split_fields(received.content, (0, len(received.content)), HeadLimits(fields=200))
    subject, sender, to = (
        found.decode()[:SHOWN_CHARACTERS] if (found := find_field(fields, name)) else ""
        for name in ("subject", "from", "to")
    )
    mail_from = BREAKS_TEXT.sub("\ufffd", received.mail_from)
    rcpt_to = [BREAKS_TEXT.sub("\ufffd", address) for address in received.rcpt_to]
    mail = Mail(
        mail_from=mail_from,
        rcpt_to=rcpt_to,
        rcpt_folded=[address.lower() for address in rcpt_to],
        raw=received.content,
        header_from=sender,
        header_to=to,
        subject=subject,
        search="\n".join([subject, sender, to, mail_from, *rcpt_to]).casefold(),
        size=len(received.content),
        received_at=timezone.now(),
        remote_host=received.remote_host,
    )
    with transaction.atomic():
        mail.save(force_insert=True)
        notify("\n".join(mail.rcpt_folded))
    return mail.pk


def list_mail(wanted: Filter, after: UUID | None = None) -> QuerySet[Mail]:
    """Newest first, older than `after`, without the raw messages."""
    found = select_mail(wanted)
    if after:
        found = found.filter(pk__lt=after)
    return found.only(*LIST_FIELDS).order_by("-pk")


def select_mail(wanted: Filter) -> QuerySet[Mail]:
    found = Mail.objects.all()
    if wanted.to:
        found = found.filter(rcpt_folded__contains=[wanted.to.lower()])
    for word in wanted.q.casefold().split():
        found = found.filter(search__contains=word)
    return found


def delete_mail(found: QuerySet[Mail]) -> int:
    """Delete these and notify waiters; returns their number."""
    with transaction.atomic():
        count, _ = found.delete()
        if count:
            notify(DELETED)
    return count


def notify(payload: str) -> None:
    """Notify waiters when this transaction commits."""
    with connection.cursor() as cursor:
        fits = len(payload.encode()) <= PAYLOAD_BYTES
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload if fits else UNKNOWN])


def prune_mail(keep_count: int = KEEP_COUNT, keep_bytes: int = KEEP_BYTES) -> int:
    """Delete the oldest mail above these limits of number and bytes, but never the newest; returns the count."""
    with connection.cursor() as cursor:
        cursor.execute(PRUNE, [keep_count, keep_bytes])
        return int(cursor.rowcount)


# Reads every row, but not the messages, which are stored out of line: about 10 ms when full.
PRUNE = """
DELETE FROM inbox_mail WHERE id <= (
    SELECT id FROM (
        SELECT id, row_number() OVER newest AS place, sum(size) OVER newest AS total
        FROM inbox_mail WINDOW newest AS (ORDER BY id DESC)
    ) AS counted
    WHERE place > greatest(%s, 1) OR (total > %s AND place > 1)
    ORDER BY id DESC LIMIT 1
)
"""
