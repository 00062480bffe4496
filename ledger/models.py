"""What makes a table a queue: three columns, and the indexes that its model adds for its own claim."""

from django.db import models


class DueRow(models.Model):
    """A row that is work when its time has come.

    Due: `next_attempt_at` has passed and nobody holds a lease. Held: `lease_token` is set until `lease_until`; only
    who knows the token may write. Neither: nothing is left to do (`next_attempt_at` is null).
    """

    next_attempt_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True
