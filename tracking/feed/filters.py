"""The query strings of `/events`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import PageQuery, QuerySerializer, wrong
from common.suggestions import describe_unknown
from tracking.feed.cursor import Cursor
from tracking.feed.pages import find_end
from tracking.models import EventType

NOW = "now"
# Unknown types that one answer names.
MAX_ERRORS = 3


@extend_schema_field({"type": "string", "examples": ["email.bounced,email.failed"]})
class TypesField(serializers.Field[list[str], str, list[str], Any]):
    """Event types in one parameter, `email.bounced,email.failed`."""

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
    """The `next` of an answer before, or `now` for the end of the feed."""

    def to_internal_value(self, data: str) -> Cursor:
        return find_end() if data == NOW else Cursor.read(data)

    def to_representation(self, value: Cursor) -> str:
        return value.write()


class StreamQuery(QuerySerializer):
    """What the live stream sends."""

    after = CursorField(required=False, help_text="The `next` or `id` of what was seen last. Left out: what is new.")
    types = TypesField(required=False, help_text="Event types, with commas between them. Left out: all.")


class FeedQuery(PageQuery):
    """A page of the feed."""

    after = CursorField(
        required=False, help_text="The `next` of the page before, or `now`. Left out: from the first event kept."
    )
    types = TypesField(required=False, help_text="Event types, with commas between them. Left out: all.")
