"""GET /emails: what a list is narrowed by, and the queries behind it, newest first."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, TextField, Value
from django.db.models.functions import Lower, StrIndex, Upper
from django.db.models.lookups import GreaterThan
from rest_framework import serializers

from accounts.models import Project
from common.ids import greatest_id_at, least_id_at
from common.serializers import AddressField, PageQuery, StrictCharField, StrictDateTimeField
from messages.models import Attachment, Attempt, Message, Recipient
from messages.states import Status
from templates_app.services import match_ref

TextField.register_lookup(Lower)


class EmailQuery(PageQuery):
    """The list's parameters. Several narrow it together."""

    aliases = {"from": "from_"}

    after = serializers.UUIDField(required=False, help_text="Older than this email's id: the `next` of a page.")
    before = serializers.UUIDField(required=False, help_text="Newer than this email's id: the page just above it.")
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    to = AddressField(required=False, help_text="A recipient's address, in to, cc or bcc.")
    from_ = AddressField(required=False, help_text="The sender's address; `from` is accepted too.")
    tag = StrictCharField(required=False, max_length=64)
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a template.")
    created_after = StrictDateTimeField(required=False)
    created_before = StrictDateTimeField(required=False)
    q = StrictCharField(required=False, max_length=200, help_text="A part of the subject, in any case.")


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
    return messages.defer("html", "text").prefetch_related(*ROWS)


def with_details(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Messages with all that the detail shows."""
    return messages.prefetch_related(*DETAILS)


def list_messages(project: Project, query: dict[str, Any]) -> tuple[list[Message], bool]:
    """A page and whether more follows; one row too many is read instead of a COUNT.

    With `before` alone the page is the one just above it, read upwards and shown downwards; more may follow above.
    """
    messages = narrow(project, query)
    limit, offset = query["limit"], query["offset"]
    is_upward = "before" in query and "after" not in query
    ordered = messages.order_by("id" if is_upward else "-id")
    # Ids first, from an index alone; then the rows of the page.
    ids: list[UUID] = list(ordered.values_list("pk", flat=True)[offset : offset + limit + 1])
    page = with_rows(project.messages.filter(pk__in=ids[:limit])).order_by("-id")
    return list(page), len(ids) > limit


def narrow(project: Project, query: dict[str, Any]) -> QuerySet[Message]:
    """The project's messages under every condition that the query names."""
    messages: QuerySet[Message] = project.messages.all()
    for name, condition in CONDITIONS.items():
        if name in query:
            messages = messages.filter(condition(query[name]))
    if "template_id" in query:
        messages = messages.filter(made_from(project, query["template_id"]))
    return messages


def sent_to(address: str) -> Exists:
    """One of the recipients; people's addresses are theirs in any case."""
    return Exists(
        Recipient.objects.alias(lower=Lower("address")).filter(
            message_id=OuterRef("pk"), project_id=OuterRef("project_id"), lower=address.lower()
        )
    )


def made_from(project: Project, ref: str) -> Q:
    """The template that is or was named so; a deleted one gives its alias free."""
    named = project.templates.filter(match_ref(ref)).order_by(F("deleted_at").desc(nulls_first=True))
    return Q(template_id=named.values_list("pk", flat=True).first() or NOBODY)


# pg_trgm looks up three characters at a time.
TRIGRAM = 3
# No row has this id.
NOBODY = UUID(int=0)


def created_after(time: datetime) -> Q:
    # Ids carry the time of creation, and every list is read along them.
    return Q(created_at__gt=time, pk__gte=least_id_at(time))


def created_before(time: datetime) -> Q:
    return Q(created_at__lt=time, pk__lte=greatest_id_at(time))


def has_subject(text: str) -> Q:
    if len(text) >= TRIGRAM:
        return Q(searched_subject__text__icontains=text)
    # The index would have to be read whole: the newest rows one by one are the shorter way.
    return Q(GreaterThan(StrIndex(Upper("subject"), Upper(Value(text))), 0))


CONDITIONS: dict[str, Callable[[Any], Q | Exists]] = {
    "after": lambda pk: Q(pk__lt=pk),
    "before": lambda pk: Q(pk__gt=pk),
    "status": lambda status: Q(status=status),
    "to": lambda to: sent_to(to.address),
    "from_": lambda sender: Q(from_address__lower=sender.address.lower()),
    # The index leaves out what has no tags: said here too, or it would not be used.
    "tag": lambda tag: ~Q(tags=[]) & Q(tags__contains=[tag]),
    "created_after": created_after,
    "created_before": created_before,
    "q": has_subject,
}
