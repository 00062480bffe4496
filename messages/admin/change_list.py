"""The admin's list of messages: searched and filtered by indexes, paged by id, without counts."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter, TextFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList

from accounts.models import Project
from common.ids import least_id_at
from messages.api.filters import has_remote_id, has_subject
from messages.models import Message, Recipient
from messages.selectors import with_rows

OLDER, NEWER = "older", "newer"
# A Message-ID is the message's id at the sender's domain; staff paste it with and without the angle brackets.
MESSAGE_ID = re.compile(r"<?\s*(?P<id>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?:@[^\s<>]+)?\s*>?", re.IGNORECASE)


def find_conditions(term: str) -> list[Q]:
    """The conditions of a search; a message matches if it meets one of them. Each condition has its own index.

    An id or Message-ID finds one message. A term with an `@` is the beginning of a recipient's address. Any other term
    is the beginning of an address or a part of the subject. Each may also be the id that an ESP gave the message.
    """
    term = term.strip()
    remote = has_remote_id(term)
    if match := MESSAGE_ID.fullmatch(term):
        return [Q(pk=UUID(match["id"])), remote]
    address = Q(is_sent_to(term))
    return [address, remote] if "@" in term else [address, has_subject(term), remote]


def is_sent_to(begin: str) -> Exists:
    """Matches messages with a recipient whose address begins with `begin`; case does not matter."""
    # The index begins with the project. There are few projects, so listing all of them makes the index usable.
    projects = list(Project.objects.values_list("pk", flat=True))
    rows = Recipient.objects.alias(lower=Lower("address")).filter(
        project_id__in=projects, lower__startswith=begin.lower(), message_id=OuterRef("pk")
    )
    return Exists(rows)


class TagFilter(TextFilter):  # type: ignore[misc]
    """Messages with one tag."""

    title = "tag"
    parameter_name = "tag"

    def queryset(self, _request: HttpRequest, messages: QuerySet[Message]) -> QuerySet[Message]:
        tag = self.value()
        # The index omits messages without tags. PostgreSQL uses it only if the query repeats that condition.
        return messages.filter(~Q(tags=[]), tags__contains=[tag]) if tag else messages


class CreatedFilter(RangeDateFilter):  # type: ignore[misc]
    """Messages of a range of days, including the last one; by ids, which contain the time."""

    def queryset(self, _request: HttpRequest, messages: QuerySet[Message]) -> QuerySet[Message]:
        begin, end = self._day("from"), self._day("to")
        if begin:
            messages = messages.filter(pk__gte=least_id_at(begin))
        if end:
            messages = messages.filter(pk__lt=least_id_at(end + timedelta(days=1)))
        return messages

    def _day(self, side: str) -> datetime | None:
        given = self.used_parameters.get(f"{self.parameter_name}_{side}")
        day = parse_date_str(given) if given else None
        return datetime.combine(day, time(), UTC) if day else None


class KeysetChangeList(ChangeList):  # type: ignore[misc]
    """A page of messages with links to the older and newer pages. It needs neither COUNT nor OFFSET."""

    query: str

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        kept: dict[str, Any] = super().get_filters_params(params)
        for name in (OLDER, NEWER):
            kept.pop(name, None)
        return kept

    def get_results(self, request: HttpRequest) -> None:
        anchor, is_upwards = read_anchor(request)
        ids = self._find_ids(request, anchor, is_upwards)
        has_more = len(ids) > self.list_per_page
        ids = ids[: self.list_per_page]
        self.has_newer = has_more if is_upwards else anchor is not None
        self.has_older = bool(anchor) if is_upwards else has_more
        rows = with_rows(self.model_admin.get_queryset(request).filter(pk__in=ids)).select_related("project")
        self.result_list = list(rows.order_by("-id"))
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.show_admin_actions = True
        self.can_show_all = self.show_all = False
        self.multi_page = False
        self.paginator = Paginator(self.result_list, self.list_per_page)

    def _find_ids(self, request: HttpRequest, anchor: UUID | None, is_upwards: bool) -> list[UUID]:
        """The ids of the page and one more. Each search condition has its own query, because OR would use no index."""
        searched = find_conditions(self.query) if self.query else [Q()]
        filtered = self._without_search(request)
        if anchor:
            filtered = filtered.filter(**{"pk__gt" if is_upwards else "pk__lt": anchor})
        found: set[UUID] = set()
        for condition in searched:
            rows = filtered.filter(condition).order_by("id" if is_upwards else "-id")
            found |= set(rows.values_list("pk", flat=True)[: self.list_per_page + 1])
        return sorted(found, reverse=not is_upwards)[: self.list_per_page + 1]

    def _without_search(self, request: HttpRequest) -> QuerySet[Message]:
        term, self.query = self.query, ""
        try:
            rows: QuerySet[Message] = self.get_queryset(request)
        finally:
            self.query = term
        return rows

    def older_url(self) -> str:
        """The URL of the next older page; empty on the oldest page and on a page without rows."""
        if not self.has_older or not self.result_list:
            return ""
        return str(self.get_query_string({OLDER: self.result_list[-1].pk}, [NEWER]))

    def newer_url(self) -> str:
        """The URL of the next newer page; empty on the newest page and on a page without rows."""
        if not self.has_newer or not self.result_list:
            return ""
        return str(self.get_query_string({NEWER: self.result_list[0].pk}, [OLDER]))

    def newest_url(self) -> str:
        return str(self.get_query_string(remove=[OLDER, NEWER]))


def read_anchor(request: HttpRequest) -> tuple[UUID | None, bool]:
    """The id at which the page begins, and whether it is read upwards; the newest page if the id is invalid."""
    for name in (NEWER, OLDER):
        if given := request.GET.get(name):
            try:
                return UUID(given), name == NEWER
            except ValueError:
                continue
    return None, False


def shorten(words: Sequence[str], room: int) -> str:
    """The first `room` words, with the number of the others."""
    shown = ", ".join(words[:room])
    return f"{shown} +{len(words) - room}" if len(words) > room else shown
