"""The query strings of `/events`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import PageQuery, QueryBooleanField, QuerySerializer, wrong
from common.suggestions import describe_unknown
from tracking.feed.cursor import Cursor
from tracking.feed.pages import find_end
from tracking.models import EventType

NOW = "now"
# The most unknown types that one response names.
MAX_ERRORS = 3


@extend_schema_field({"type": "string", "examples": ["email.bounced,email.failed"]})
class TypesField(serializers.Field[list[str], str, list[str], Any]):
    """A list of event types in one parameter: `email.bounced,email.failed`."""

    def to_internal_value(self, data: str) -> list[str]:
        types = {part.strip() for part in data.split(",") if part.strip()}
        unknown = sorted(types - set(EventType.values))
        if unknown:
            raise serializers.ValidationError(
                [wrong(describe_type(name), "invalid_choice") for name in unknown[:MAX_ERRORS]]
            )
        return sorted(types)

    def to_representation(self, value: list[str]) -> list[str]:
        return value


def describe_type(name: str) -> str:
    return describe_unknown(f"There is no event type {name[:100]}.", name, EventType.values)


@extend_schema_field({"type": "string"})
class CursorField(serializers.Field[Cursor, str, str, Any]):
    """The `next` of an earlier response, or `now` for the end of the feed."""

    def to_internal_value(self, data: str) -> Cursor:
        return find_end() if data == NOW else Cursor.read(data)

    def to_representation(self, value: Cursor) -> str:
        return value.write()


class StreamQuery(QuerySerializer):
    """The parameters of the live stream."""

    after = CursorField(required=False, help_text="The last seen `next` or `id`. Default: only new events.")
    types = TypesField(required=False, help_text="Event types, separated by commas. Default: all.")
    test = QueryBooleanField(required=False, help_text="Whether to list the events of test mail.")


class FeedQuery(PageQuery):
    """A page of the feed."""

    after = CursorField(
        required=False, help_text="The `next` of the previous page, or `now`. Default: the first event that is kept."
    )
    types = TypesField(required=False, help_text="Event types, separated by commas. Default: all.")
    test = QueryBooleanField(required=False, help_text="Whether to list the events of test mail.")
