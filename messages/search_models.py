"""The table of searches that people keep."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from common.ids import new_id


class SavedSearch(models.Model):
    """A search of messages with its filters, kept by a user under a name."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    # The query string of the list's URL.
    query = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "saved searches"
        constraints = [
            # Also serves the list of a user's searches.
            models.UniqueConstraint(fields=["user", "name"], name="saved_search_once")
        ]

    def __str__(self) -> str:
        return self.name
