"""The rows of suppressions that are held back, and of the counts that find them. See `tracking.suppressions.waves`."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from common.ids import new_id


class WaveDecision(models.TextChoices):
    """The end of a wave of suppressions."""

    APPLIED = "applied"
    DROPPED = "dropped"
    # Nobody decided in time, so the entries were dropped.
    EXPIRED = "expired"


class SuppressionWave(models.Model):
    """Bounces with the same words that would have suppressed many addresses at several domains within minutes.

    While it is open its suppressions are held back: a person applies or drops them together. See
    `tracking.suppressions.waves`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The words that the refusals have in common, and their digest.
    words = models.TextField()
    likeness = models.TextField()
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    decision = models.TextField(choices=WaveDecision.choices, blank=True)
    # The number of entries that the decision was about.
    entry_count = models.IntegerField(null=True)

    class Meta:
        verbose_name = "held suppressions"
        verbose_name_plural = "held suppressions"
        constraints = [
            # Also serves the look-up at each bounce with unknown words.
            models.UniqueConstraint(fields=["likeness"], condition=Q(closed_at=None), name="wave_open_once"),
            models.CheckConstraint(
                condition=Q(closed_at=None, decision="")
                | Q(closed_at__isnull=False, decision__in=["applied", "dropped", "expired"]),
                name="wave_closed_by_decision",
            ),
        ]

    def __str__(self) -> str:
        return self.words[:80]


class HeldSuppression(models.Model):
    """A suppression that is held back. Mail to its address goes on as usual."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wave = models.ForeignKey(SuppressionWave, models.CASCADE, related_name="entries")
    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="+", db_index=False)
    address = models.TextField()
    note = models.TextField(blank=True)
    message_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also serves the explanation of an email.
            models.UniqueConstraint(fields=["project", "address", "wave"], name="held_suppression_once"),
        ]

    def __str__(self) -> str:
        return self.address


class RefusalCount(models.Model):
    """The number of refusals that are alike, by slot of time and recipient domain. Kept for minutes."""

    id = models.BigAutoField(primary_key=True)
    likeness = models.TextField()
    slot_at = models.DateTimeField()
    domain = models.TextField()
    count = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["likeness", "slot_at", "domain"], name="refusal_count_once"),
        ]
        indexes = [
            # purge: old slots.
            models.Index(fields=["slot_at"], name="refusal_count_age"),
        ]


class RefusedAddress(models.Model):
    """An address that was suppressed by a refusal with unknown words. Kept for minutes, to undo it."""

    id = models.BigAutoField(primary_key=True)
    likeness = models.TextField()
    project_id = models.UUIDField()
    address = models.TextField()
    refused_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["likeness", "project_id", "address"], name="refused_address_once"),
        ]
        indexes = [
            # purge: old rows.
            models.Index(fields=["refused_at"], name="refused_address_age"),
        ]
