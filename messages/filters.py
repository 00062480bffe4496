"""GET /emails: what a list is narrowed by, and the queries behind it, newest first."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from accounts.models import Project
from common.serializers import AddressField, PageQuery, StrictCharField, StrictDateTimeField
from messages.models import Attachment, Attempt, Message, Recipient
from messages.states import Status


class EmailQuery(PageQuery):
    """The list's parameters."""

    aliases = {"from": "from_"}

    after = serializers.UUIDField(required=False, help_text="Older than this email's id (keyset).")
    before = serializers.UUIDField(required=False, help_text="Newer than this email's id (keyset).")
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    to = AddressField(required=False, help_text="A recipient's address, to, cc or bcc.")
    from_ = AddressField(required=False)
    tag = StrictCharField(required=False, max_length=64)
    template_id = serializers.UUIDField(required=False)
    created_after = StrictDateTimeField(required=False)
    created_before = StrictDateTimeField(required=False)
    q = StrictCharField(required=False, max_length=200, help_text="A part of the subject.")


# What a list shows beside the message, and what the detail shows beside that.
ROWS: "tuple[Prefetch[Any], ...]" = (
    Prefetch("recipients", Recipient.objects.order_by("position"), to_attr="shown_recipients"),
    Prefetch(
        "attachments",
        Attachment.objects.select_related("content").defer("content__data"),
        to_attr="shown_attachments",
    ),
)
DETAILS: "tuple[Prefetch[Any], ...]" = (
    *ROWS,
    Prefetch(
        "shown_recipients__attempts",
        Attempt.objects.select_related("recipient").order_by("id"),
        to_attr="shown_attempts",
    ),
)


def with_rows(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with what a list shows: no bodies, they may be megabytes."""
    return messages.defer("html", "text").select_related("template_version").prefetch_related(*ROWS)


def with_details(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with all that the detail shows."""
    return messages.select_related("template_version").prefetch_related(*DETAILS)


def list_messages(project: Project, query: dict[str, Any]) -> tuple[list[Message], bool]:
    """A page and whether more follows; one row too many is read instead of a COUNT."""
    messages = narrow(project.messages.all(), query)
    limit, offset = query["limit"], query["offset"]
    if "before" in query and "after" not in query:
        # The page just before a known one: read upwards from it, shown downwards.
        ids = list(messages.order_by("id").values_list("pk", flat=True)[offset : offset + limit + 1])
    else:
        ids = list(messages.order_by("-id").values_list("pk", flat=True)[offset : offset + limit + 1])
    page: list[UUID] = ids[:limit]
    rows = with_rows(project.messages.filter(pk__in=page)).order_by("-id")
    return list(rows), len(ids) > limit


def narrow(messages: QuerySet[Message], query: dict[str, Any]) -> QuerySet[Message]:
    """Each parameter is one condition; the table says which."""
    for name, condition in CONDITIONS.items():
        if name in query:
            messages = messages.filter(**{condition: query[name]})
    if "to" in query:
        sent_to = Recipient.objects.filter(address=query["to"].address).values("message_id")
        messages = messages.filter(pk__in=sent_to)
    if "from_" in query:
        messages = messages.filter(from_address=query["from_"].address)
    if "tag" in query:
        messages = messages.filter(tags__contains=[query["tag"]])
    return messages


CONDITIONS = {
    "after": "pk__lt",
    "before": "pk__gt",
    "status": "status",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
    "template_id": "template_version__template_id",
    "q": "searched_subject__text__icontains",
}
