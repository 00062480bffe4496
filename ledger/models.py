"""The columns that make a table a queue. Each model adds the indexes of its own claim."""

from django.db import models


class DueRow(models.Model):
    """A row that is work once it is due.

    Due: `next_attempt_at` has passed and there is no lease. Leased: `lease_token` is set until `lease_until`; only the
    holder of the token may write. Neither: nothing is left to do (`next_attempt_at` is null).
    """

    next_attempt_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True
