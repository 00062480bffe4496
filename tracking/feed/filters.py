"""The query strings of `/events`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import QuerySerializer
from tracking.feed.cursor import Cursor
from tracking.feed.pages import find_end
from tracking.models import EventType

NOW = "now"
MAX_LIMIT = 1000


@extend_schema_field({"type": "string", "examples": ["email.bounced,email.failed"]})
class TypesField(serializers.Field[list[str], str, list[str], Any]):
    """Event types in one parameter, `email.bounced,email.failed`."""

    default_error_messages = {"invalid_choice": "There is no event type {type}."}

    def to_internal_value(self, data: str) -> list[str]:
        types = [part.strip() for part in data.split(",") if part.strip()]
        for name in types:
            if name not in EventType.values:
                self.fail("invalid_choice", type=name[:100])
        return sorted(set(types))

    def to_representation(self, value: list[str]) -> list[str]:
        return value


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


class FeedQuery(StreamQuery):
    """A page of the feed."""

    after = CursorField(
        required=False, help_text="The `next` of the page before, or `now`. Left out: from the first event kept."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=100)
