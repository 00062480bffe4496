"""Query strings of Postmark's lists: names in any case, and days as times."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from common.serializers import QueryDateTimeField, QueryIntegerField, QuerySerializer

# Postmark pages no deeper.
MAX_DEPTH = 10_000
MAX_PAGE = 500
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WITHOUT_OFFSET = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
LAST_MOMENT = timedelta(days=1) - timedelta(microseconds=1)


class AnyCaseQuery(QuerySerializer):
    """Parameters by Postmark's names, in any case: its own libraries write `fromDate` for `fromdate`."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(self.rename(data))

    def rename(self, data: Any) -> Any:
        """The query with the names of the fields."""
        names = {name.lower(): name for name in self.fields.keys()}  # noqa: SIM118  the stubs know keys alone
        renamed = data.copy()
        for name in data:
            if (known := names.get(name.lower(), name)) != name:
                del renamed[name]
                renamed.setlist(known, [*renamed.getlist(known), *data.getlist(name)])
        return renamed


class MomentField(QueryDateTimeField):
    """A day, or a time, in UTC if it has no offset. `is_end` takes the last moment of a day, which is inclusive."""

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        self.is_end = is_end
        super().__init__(**kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        if isinstance(value, str) and DAY.fullmatch(value):
            try:
                start = datetime.combine(datetime.fromisoformat(value), time(), UTC)
            except ValueError:
                return super().to_internal_value(value)
            return start + LAST_MOMENT if self.is_end else start
        if isinstance(value, str) and WITHOUT_OFFSET.fullmatch(value):
            value = f"{value}Z"
        return super().to_internal_value(value)


class RowsQuery(AnyCaseQuery):
    """A page, by Postmark's numbers."""

    count = QueryIntegerField(min_value=0, max_value=MAX_PAGE)
    offset = QueryIntegerField(min_value=0, max_value=MAX_DEPTH)


def cut_page(rows: Any, query: Mapping[str, Any]) -> tuple[list[Any], int]:
    """The rows of a page, and their number in all, which is counted up to MAX_DEPTH."""
    start = query["offset"]
    return list(rows[start : min(start + query["count"], MAX_DEPTH)]), rows[:MAX_DEPTH].count()
