"""Undo suppressions that bounces made, by time, provider and words: after a mistake of ours or of a provider."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from common.ids import parse_id
from messages.models import Attempt
from tracking.models import Suppression, SuppressionReason, SuppressionWay

# Rows of one transaction.
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceSelection:
    """Suppressions by bounces: of a project, made since and until a time, by mail of a provider, with some words.

    `provider` is a name or an id, `words` any part of the refusal in any case. Empty fields select everything.
    """

    project: Project | None = None
    since: datetime | None = None
    until: datetime | None = None
    provider: str = ""
    words: str = ""


def select_bounced(selection: BounceSelection) -> QuerySet[Suppression]:
    """The selected suppressions, the oldest first. Those that a person or a file made are left out."""
    made = Q(reason=SuppressionReason.BOUNCE, way=SuppressionWay.FEEDBACK, is_test=False)
    if selection.project is not None:
        made &= Q(project=selection.project)
    if selection.since is not None:
        made &= Q(created_at__gte=selection.since)
    if selection.until is not None:
        made &= Q(created_at__lt=selection.until)
    if selection.words:
        made &= Q(note__icontains=selection.words)
    found = Suppression.objects.filter(made)
    if selection.provider:
        found = found.filter(Exists(list_attempts(selection.provider)))
    return found.select_related("project").order_by("id")


def list_attempts(provider: str) -> QuerySet[Attempt]:
    """The attempts by a provider for the mail that caused the suppression of an outer query."""
    provider_id = parse_id(provider)
    return Attempt.objects.filter(
        Q(provider_id=provider_id) if provider_id else Q(provider_name=provider),
        recipient__message_id=OuterRef("message_id"),
        recipient__address__iexact=OuterRef("address"),
    )


def release_bounced(selection: BounceSelection) -> Iterator[Suppression]:
    """Remove the selected suppressions in batches, and yield each removed one. An interruption keeps what is done."""
    while True:
        with transaction.atomic():
            rows = list(select_bounced(selection).select_for_update(of=["self"])[:BATCH])
            Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        yield from rows
        if len(rows) < BATCH:
            return
