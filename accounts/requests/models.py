"""The log of requests of each project."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class RequestEntry(models.Model):
    """A request with an API key: what was asked and how it ended, without path, query, headers or bodies.

    Partitioned by month, by the time in its id. No foreign key: an entry is written after its request, and the project
    may be gone by then.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    project = models.ForeignKey(
        "accounts.Project", models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    is_test = models.BooleanField()
    at = models.DateTimeField()
    method = models.TextField()
    # The pattern of the path, `/api/v1/emails/<id>`.
    route = models.TextField()
    status = models.SmallIntegerField()
    # The code of the problem; empty when there was none.
    code = models.TextField(blank=True)
    duration_ms = models.FloatField()
    key_prefix = models.TextField()
    origin = models.TextField(blank=True)
    request_id = models.TextField()
    # The emails that the request made or was about.
    email_ids = ArrayField(models.UUIDField(), default=list)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "request entries"
        indexes = [
            # GET /requests and the admin's list, the newest first.
            models.Index(name="request_list", fields=["project", "-id"]),
            # The same with ?status=422, or another one of a refusal.
            models.Index(name="request_refused", fields=["project", "-id"], condition=Q(status__gte=400)),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.status}"
