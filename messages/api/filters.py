"""The query strings of `/emails` and below, and the queries that they become."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Lower, StrIndex
from django.db.models.lookups import GreaterThan
from rest_framework import serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Project
from common.errors import FieldError, InvalidFieldsError
from common.ids import greatest_id_at, least_id_at
from common.pagination import KeysetPagination, describe_page
from common.serializers import (
    AddressField,
    PageQuery,
    QueryDateTimeField,
    QueryIntegerField,
    QuerySerializer,
    StrictCharField,
    StrictChoiceField,
)
from common.text import fold
from messages.models import Message, Recipient
from messages.selectors import with_rows
from messages.states import Status
from templates_app.services import match_ref

TextField.register_lookup(Lower)


class EmailQuery(PageQuery):
    """The list's parameters. Several narrow it together."""

    aliases = {"from": "from_"}

    offset = QueryIntegerField(
        min_value=0, max_value=2**31 - 1, default=0, help_text="How many are left out before the page's first."
    )
    after = serializers.UUIDField(required=False, help_text="Older than the email with this id: the `next` of a page.")
    before = serializers.UUIDField(required=False, help_text="Newer than the email with this id: the page above it.")
    status = StrictChoiceField(choices=Status.choices, required=False)
    to = AddressField(required=False, help_text="A recipient's address, in to, cc or bcc.")
    from_ = AddressField(required=False, help_text="The sender's address; `from` is accepted too.")
    tag = StrictCharField(required=False, max_length=64, help_text="One of its tags.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a template.")
    created_after = QueryDateTimeField(required=False, help_text="Accepted later than this.")
    created_before = QueryDateTimeField(required=False, help_text="Accepted before.")
    q = StrictCharField(required=False, max_length=200, help_text="A part of the subject, in any case.")


class BatchQuery(QuerySerializer):
    """How a batch with bad emails in it is taken."""

    mode = StrictChoiceField(
        choices=["strict", "permissive"],
        default="strict",
        help_text="`strict`: all or nothing. `permissive`: the good ones are accepted.",
    )


class RawQuery(QuerySerializer):
    """Which recipient's copy to return."""

    recipient = AddressField(required=False, help_text="A recipient's address; by default the first in `to`.")


class TimelineQuery(PageQuery):
    """A page of an email's events."""


def sent_to(address: str) -> Exists:
    """One of the recipients; people's addresses are theirs in any case."""
    return Exists(
        Recipient.objects.alias(lower=Lower("address")).filter(
            message_id=OuterRef("pk"), project_id=OuterRef("project_id"), lower=address.lower()
        )
    )


class EmailFilter(BaseFilterBackend):
    """Narrows the project's emails by the query."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        return narrow(queryset, view.project, view.query)


def narrow(messages: QuerySet[Message], project: Project, query: Mapping[str, Any]) -> QuerySet[Message]:
    """`messages`, which are the project's, under every condition that the query names."""
    for name, condition in CONDITIONS.items():
        if name in query:
            messages = messages.filter(condition(query[name]))
    if "template_id" in query:
        messages = messages.filter(made_from(project, query["template_id"]))
    return messages


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
    folded = fold(text)
    if len(folded) >= TRIGRAM:
        return Q(searched_subject__text__contains=folded)
    # The index would have to be read whole: the newest rows one by one are the shorter way.
    return Q(GreaterThan(StrIndex("searched_subject__text", Value(folded)), 0))


CONDITIONS: dict[str, Callable[[Any], Q | Exists]] = {
    "status": lambda status: Q(status=status),
    "to": lambda to: sent_to(to.address),
    "from_": lambda sender: Q(from_address__lower=sender.address.lower()),
    # The index leaves out what has no tags: said here too, or it would not be used.
    "tag": lambda tag: ~Q(tags=[]) & Q(tags__contains=[tag]),
    "created_after": created_after,
    "created_before": created_before,
    "q": has_subject,
}


class EmailPagination(KeysetPagination):
    """Emails, newest first: behind `after`, or with `before` alone the page just above it; and by `offset`."""

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        narrowed = super().narrow(rows, query)
        return narrowed.filter(pk__gt=query["before"]) if "before" in query else narrowed

    @property
    def is_upward(self) -> bool:
        """Whether the page is read upwards, from the email that it stands above; it is shown downwards all the same."""
        return "before" in self.query and "after" not in self.query

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        offset = self.query["offset"]
        # Ids first, from an index alone; then the rows of the page.
        ordered = rows.order_by("pk" if self.is_upward else "-pk")
        return list(ordered.values_list("pk", flat=True)[offset : offset + count])

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        ids = super().paginate_queryset(queryset, request, view)
        page = list(with_rows(view.get_queryset().filter(pk__in=ids)).order_by("-pk"))
        # Below the page above a known email there is always that email.
        is_followed = bool(page) and (self.has_more or self.is_upward)
        self.next = str(page[-1].pk) if is_followed else None
        return page

    def mark(self, row: Any) -> str:
        return str(row)

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        response = super().get_paginated_response(data)
        response.data["offset"] = self.query["offset"]
        return response

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return describe_page(schema, offset={"type": "integer"})


class TimelinePagination(KeysetPagination):
    """An email's events in their order, which their ids do not tell: those are made on machines with other clocks."""

    ordering = ("serial",)

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        if "after" not in query:
            return rows
        last = rows.filter(pk=query["after"]).first()
        if last is None:
            raise InvalidFieldsError([FieldError("after", "not_found", "This email has no such event.")])
        return rows.filter(serial__gt=last.serial)
