"""The query string of `/stats`."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from common.errors import FieldError, InvalidFieldsError
from common.serializers import QueryDateTimeField, QueryIntegerField, QuerySerializer, StrictChoiceField
from tracking.models import Rollup
from tracking.stats.report import LENGTHS, StatsRequest, StatsStep

GROUPS = [dimension.value for dimension in Rollup.Dimension if dimension is not Rollup.Dimension.ALL]
# The longest and the default range by step.
LONGEST: Mapping[StatsStep, timedelta] = {StatsStep.HOUR: timedelta(days=31), StatsStep.DAY: timedelta(days=366)}
USUAL: Mapping[StatsStep, timedelta] = {StatsStep.HOUR: timedelta(days=1), StatsStep.DAY: timedelta(days=7)}
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
# The most rows of a response: steps times groups.
MAX_ROWS = 15_000


class StatsQuery(QuerySerializer):
    """The time range, the step and the groups of the statistics."""

    by = StrictChoiceField(choices=list(StatsStep), default=StatsStep.DAY, help_text="The length of a step, in UTC.")
    group = StrictChoiceField(choices=GROUPS, required=False, help_text="Default: all mail together.")
    limit = QueryIntegerField(
        min_value=1, max_value=100, default=20, help_text="The number of largest groups in the response."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `from` and `to`: `from` is a Python keyword and cannot be a class attribute."""
        times = {
            "from": QueryDateTimeField(
                required=False,
                help_text="The first step contains this time. Default: 7 days before `to`, or 1 day by the hour. "
                "The range is at most 366 days, or 31 days by the hour.",
            ),
            "to": QueryDateTimeField(
                required=False, help_text="The last step contains this time, or ends at it. Default: now."
            ),
        }
        return {**times, **super().get_fields()}


def read_question(project_ids: Collection[UUID], given: Mapping[str, Any]) -> StatsRequest:
    """Convert a query into a StatsRequest. Raises InvalidFieldsError for an invalid or too long time range."""
    step = StatsStep(given["by"])
    length = LENGTHS[step]
    to = given.get("to", timezone.now())
    if not EARLIEST <= to < LATEST:
        raise InvalidFieldsError([FieldError("to", "out_of_range", "Must lie between the years 2000 and 9000.")])
    ends_at = floor(to, length) if floor(to, length) == to else floor(to, length) + length
    begins_at = floor(given["from"], length) if "from" in given else ends_at - USUAL[step]
    if "from" in given and given["from"] >= to:
        raise InvalidFieldsError([FieldError("from", "not_before_to", "Must be before to.")])
    if ends_at - begins_at > LONGEST[step]:
        message = f"Must be at most {LONGEST[step].days} days before to, by the {step}."
        raise InvalidFieldsError([FieldError("from", "range_too_long", message)])
    steps = (ends_at - begins_at) // length
    if "group" in given and steps * given["limit"] > MAX_ROWS:
        message = f"Must be at most {MAX_ROWS // steps} for this number of steps."
        raise InvalidFieldsError([FieldError("limit", "too_many_rows", message)])
    return StatsRequest(
        project_ids=project_ids,
        begins_at=begins_at,
        ends_at=ends_at,
        step=step,
        dimension=given.get("group", Rollup.Dimension.ALL),
        group_limit=given["limit"],
    )


def floor(at: datetime, length: timedelta) -> datetime:
    """The begin of the step that contains a time."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return at - (at - epoch) % length
