"""The query strings of `/emails` and its sub-paths, and their database queries."""

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
    QueryBooleanField,
    QueryDateTimeField,
    QueryIntegerField,
    QuerySerializer,
    StrictCharField,
    StrictChoiceField,
    wrong,
)
from common.text import find_control_character, fold
from messages.api.responses import HELD_BACK
from messages.models import Message, Recipient
from messages.search.conditions import TRIGRAM, has_reason, has_remote_id
from messages.selectors import with_rows
from messages.states import OF_MESSAGES, Status, StatusReason
from providers.routing.selection import routes
from templates_app.services import match_ref

TextField.register_lookup(Lower)


METADATA = "metadata."


class EmailQuery(PageQuery):
    """The parameters of the list. All given filters must match."""

    aliases = {"from": "from_"}

    offset = QueryIntegerField(min_value=0, max_value=2**31 - 1, default=0, help_text="The number of emails to skip.")
    after = serializers.UUIDField(required=False, help_text="Only emails older than this id: the `next` of a page.")
    before = serializers.UUIDField(required=False, help_text="Only emails newer than this id: the page above it.")
    test = QueryBooleanField(required=False, help_text="Whether to list the emails of test keys.")
    status = StrictChoiceField(choices=[(status.value, status.label) for status in OF_MESSAGES], required=False)
    status_reason = StrictChoiceField(
        choices=[reason for reason in StatusReason.values if reason],
        required=False,
        help_text="Only emails with a recipient whose state has this reason, such as `uncertain` or `paused`.",
    )
    to = AddressField(required=False, help_text="A recipient's address, in to, cc or bcc.")
    from_ = AddressField(required=False, help_text="The sender's address; `from` is accepted too.")
    tag = StrictCharField(required=False, max_length=64, help_text="Only emails with this tag.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a template.")
    remote_id = StrictCharField(
        required=False,
        max_length=500,
        help_text="The id that the email service gave the email, or the Message-ID with which it came by SMTP.",
    )
    created_after = QueryDateTimeField(required=False, help_text="Only emails accepted after this time.")
    created_before = QueryDateTimeField(required=False, help_text="Only emails accepted before this time.")
    q = StrictCharField(required=False, max_length=200, help_text="A part of the subject; case does not matter.")

    def inspect(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Also reads `metadata.KEY=value` for any key."""
        values, errors = super().inspect(data)
        given = {name: data[name] for name in data if name.startswith(METADATA)}
        for name, value in given.items():
            if found := find_control_character(name) or ("U+0000" if "\0" in value else None):
                errors[name] = [wrong(f"Must not hold the control character {found}.", "control_character")]
        if given:
            values["metadata"] = {name.removeprefix(METADATA): value for name, value in given.items()}
        return values, errors

    def find_unknown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return super().find_unknown({name: value for name, value in data.items() if not name.startswith(METADATA)})


class BatchQuery(QuerySerializer):
    """The handling of a batch with invalid emails."""

    mode = StrictChoiceField(
        choices=["strict", "permissive"],
        default="strict",
        help_text="`strict`: all or none. `permissive`: the valid emails are accepted.",
    )


class RawQuery(QuerySerializer):
    """Which recipient's copy to return."""

    recipient = AddressField(required=False, help_text="The recipient's address; by default the first in `to`.")


class TimelineQuery(PageQuery):
    """A page of an email's events."""


def sent_to(address: str) -> Exists:
    """Matches messages with this recipient address; case does not matter."""
    return Exists(
        Recipient.objects.alias(lower=Lower("address")).filter(
            message_id=OuterRef("pk"), project_id=OuterRef("project_id"), lower=address.lower()
        )
    )


class EmailFilter(BaseFilterBackend):
    """Filters the project's emails by the query."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        return narrow(queryset, view.project, view.query)


def narrow(messages: QuerySet[Message], project: Project, query: Mapping[str, Any]) -> QuerySet[Message]:
    """Filter the project's `messages` by every condition in the query."""
    for name, condition in CONDITIONS.items():
        if name in query:
            messages = messages.filter(condition(query[name]))
    if "template_id" in query:
        messages = messages.filter(made_from(project, query["template_id"]))
    if "status_reason" in query:
        messages = messages.filter(has_shown_reason(project, query["status_reason"]))
    return messages


def has_shown_reason(project: Project, reason: str) -> Q:
    """Matches emails of the project with this reason, also one that is shown and never stored."""
    is_provided, is_readable = routes.find_providers(project.pk)
    shown = {
        StatusReason.NO_PROVIDER: not is_provided,
        StatusReason.PROVIDER_UNREADABLE: is_provided and not is_readable,
    }
    if reason not in shown:
        return has_reason([reason], [project.pk])
    if not shown[StatusReason(reason)]:
        return Q(pk=NOBODY)
    return Q(status=Status.QUEUED, is_test=False) & ~Q(status_reason__in=HELD_BACK)


def made_from(project: Project, ref: str) -> Q:
    """Matches messages of the template with this id or alias. A present template wins over a deleted one."""
    named = project.templates.filter(match_ref(ref)).order_by(F("deleted_at").desc(nulls_first=True))
    return Q(template_id=named.values_list("pk", flat=True).first() or NOBODY)


# An id that no row has.
NOBODY = UUID(int=0)


def created_after(time: datetime) -> Q:
    # Ids contain the time of creation, and the lists use indexes on ids.
    return Q(created_at__gt=time, pk__gte=least_id_at(time))


def created_before(time: datetime) -> Q:
    return Q(created_at__lt=time, pk__lte=greatest_id_at(time))


def has_subject(text: str) -> Q:
    folded = fold(text)
    if len(folded) >= TRIGRAM:
        return Q(searched_subject__text__contains=folded)
    # The trigram index would be read as a whole; a scan from the newest rows is faster.
    return Q(GreaterThan(StrIndex("searched_subject__text", Value(folded)), 0))


CONDITIONS: dict[str, Callable[[Any], Q | Exists]] = {
    "status": lambda status: Q(status=status),
    "to": lambda to: sent_to(to.address),
    "from_": lambda sender: Q(from_address__lower=sender.address.lower()),
    # The index omits messages without tags. PostgreSQL uses it only if the query repeats that condition.
    "tag": lambda tag: ~Q(tags=[]) & Q(tags__contains=[tag]),
    "remote_id": has_remote_id,
    # The searched copy, whose index omits messages without metadata. PostgreSQL uses it only with that condition.
    "metadata": lambda metadata: ~Q(searched_subject__metadata={}) & Q(searched_subject__metadata__contains=metadata),
    "created_after": created_after,
    "created_before": created_before,
    "q": has_subject,
}


class EmailPagination(KeysetPagination):
    """Emails, newest first: after `after`; with `before` alone the page just above it; also by `offset`."""

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        narrowed = super().narrow(rows, query)
        return narrowed.filter(pk__gt=query["before"]) if "before" in query else narrowed

    @property
    def is_upward(self) -> bool:
        """Whether the page is read upwards from the email in `before`. It is shown newest first all the same."""
        return "before" in self.query and "after" not in self.query

    def read(self, rows: QuerySet[Any], count: int) -> list[Any]:
        offset = self.query["offset"]
        # The ids come from an index alone; the rows of the page are read afterwards.
        ordered = rows.order_by("pk" if self.is_upward else "-pk")
        return list(ordered.values_list("pk", flat=True)[offset : offset + count])

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        ids = super().paginate_queryset(queryset, request, view)
        page = list(with_rows(view.get_queryset().filter(pk__in=ids)).order_by("-pk"))
        # A page read upwards always has a next page: the email in `before` follows it.
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
    """An email's events in order, by serial: ids come from machines with different clocks and give no exact order."""

    ordering = ("serial",)

    def narrow(self, rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        if "after" not in query:
            return rows
        last = rows.filter(pk=query["after"]).first()
        if last is None:
            raise InvalidFieldsError([FieldError("after", "not_found", "This email has no such event.")])
        return rows.filter(serial__gt=last.serial)
