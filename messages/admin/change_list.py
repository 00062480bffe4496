"""The admin's list of messages: searched and filtered by indexes, paged by id, without counts."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from psycopg.errors import QueryCanceled
from unfold.contrib.filters.admin import RangeDateFilter, TextFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList

from common.ids import least_id_at
from messages.models import Message, SavedSearch
from messages.search.finding import Range, Search, find_ids
from messages.search.index import is_filling
from messages.search.query import leave_out
from messages.search.words import META, WORDS
from messages.selectors import with_rows

OLDER, NEWER = "older", "newer"
TOO_LONG = "The search took too long. Add a word, a project or days."
PRESETS = {
    "Uncertain": "status:delivering reason:uncertain",
    "Wait for approval": "status:scheduled reason:approval",
    "Paused": "reason:paused",
    "Over a cap": "reason:cap",
}
# The words that the box explains.
EXPLAINED = [word for name, word in WORDS.items() if word is not META or name == "meta"]


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
    search: Search
    problems: list[str]

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        kept: dict[str, Any] = super().get_filters_params(params)
        for name in (OLDER, NEWER):
            kept.pop(name, None)
        return kept

    def get_results(self, request: HttpRequest) -> None:
        self.request = request
        anchor, is_upwards = read_anchor(request)
        self.search = self.model_admin.read_search(request, self.query)
        self.problems = list(self.search.problems)
        page = Range(limit=self.list_per_page + 1, anchor=anchor, is_upwards=is_upwards)
        ids = [] if self.problems else self._find_ids(request, page)
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

    def _find_ids(self, request: HttpRequest, page: Range) -> list[UUID]:
        try:
            return find_ids(self._without_search(request), self.search, page)
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            self.problems.append(TOO_LONG)
            return []

    def _without_search(self, request: HttpRequest) -> QuerySet[Message]:
        term, self.query = self.query, ""
        try:
            rows: QuerySet[Message] = self.get_queryset(request)
        finally:
            self.query = term
        return rows

    def chips(self) -> list[tuple[str, str]]:
        """Each term of the search, with the URL of the list without it."""
        return [
            (self.query[term.start : term.end], self._searched(leave_out(self.query, term)))
            for term in self.search.terms
        ]

    def _searched(self, text: str) -> str:
        changed = {"q": text} if text else {}
        return str(self.get_query_string(changed, [OLDER, NEWER, *([] if text else ["q"])]))

    def presets(self) -> list[tuple[str, str]]:
        """Searches that every user has: mail that waits for a person, or for somebody's decision."""
        return [(name, f"?{urlencode({'q': text})}") for name, text in PRESETS.items()]

    def is_filling(self) -> bool:
        return bool(self.query) and is_filling()

    def saved(self) -> QuerySet[SavedSearch]:
        """The searches that this user keeps."""
        saved: QuerySet[SavedSearch] = self.model_admin.list_saved(self.request)
        return saved

    def kept_query(self) -> str:
        """The query string with the search and the filters; empty without any."""
        return str(self.get_query_string(remove=[OLDER, NEWER])).removeprefix("?")

    def words(self) -> list[Any]:
        return EXPLAINED

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
