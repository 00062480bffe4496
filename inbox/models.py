"""Received mail: one row for each SMTP transaction."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from common.ids import new_id


class Mail(models.Model):
    """One SMTP transaction as received, with the fields that the list shows.

    The id is a UUIDv7, so that the primary key serves the list's `ORDER BY id DESC`, its `id < after`, and the
    pruning of the oldest.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    mail_from = models.TextField(blank=True, help_text="The envelope's sender; empty for `<>`.")
    rcpt_to = ArrayField(models.TextField(), help_text="The envelope's recipients, as given.")
    rcpt_folded = ArrayField(models.TextField(), help_text="The recipients in lower case, for `?to=`.")
    raw = models.BinaryField(help_text="The message exactly as received, dots unstuffed.")
    header_from = models.TextField(blank=True)
    header_to = models.TextField(blank=True)
    subject = models.TextField(blank=True)
    # `?q=` reads it row by row: the inbox keeps so few rows that an index would cost more than it saves.
    search = models.TextField(blank=True, help_text="Envelope and headers shown in the list, case folded.")
    size = models.PositiveIntegerField(help_text="Length of `raw` in bytes.")
    received_at = models.DateTimeField()
    remote_host = models.TextField(blank=True, help_text="The client's IP address.")

    class Meta:
        verbose_name_plural = "mail"
        indexes = [
            # SELECT … WHERE rcpt_folded @> ARRAY[to] ORDER BY id DESC LIMIT n. A test that waits for its mail asks
            # right after the INSERT; without fastupdate it never reads through a pending list.
            GinIndex(fields=["rcpt_folded"], name="inbox_mail_rcpt", fastupdate=False),
        ]
