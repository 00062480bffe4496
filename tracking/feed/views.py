"""`/api/v1/events` and its stream."""

from typing import ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.scopes import EVENTS_READ
from accounts.viewsets import ProjectView
from common.listening import EMPTY_MEANS_LATER
from common.pagination import build_page
from tracking.event_serializers import FeedEventOutput
from tracking.feed.cursor import Cursor
from tracking.feed.filters import CursorField, FeedQuery, StreamQuery
from tracking.feed.pages import find_end, read_page
from tracking.feed.stream import open_stream


@extend_schema_serializer(many=False)
class FeedPageOutput(serializers.Serializer[object]):
    """Events, the oldest first. `next` is the value for `after`; it advances even if `data` is empty."""

    data = FeedEventOutput(many=True)  # type: ignore[assignment]  # the name is the API's
    has_more = serializers.BooleanField(help_text="Whether the next page has events already.")
    limit = serializers.IntegerField()
    next = CursorField()


class EventStreamRenderer(JSONRenderer):
    """Allows `text/event-stream` in Accept; errors are JSON nevertheless."""

    media_type = "text/event-stream"
    format = "events"


def choose_world(view: ProjectView) -> bool:
    """Whether the view shows the events of test mail: to a test key always, to a live key with `?test=true`."""
    return view.key.is_test or bool(view.query.get("test"))


class FeedView(ProjectView):
    """The project's events."""

    scopes: ClassVar = {"get": EVENTS_READ}
    queries = {"get": FeedQuery}

    @extend_schema(operation_id="list_events", responses=FeedPageOutput)
    def get(self, request: Request) -> Response:
        """All events of the project, each once and in order, the oldest first.

        Keep `next` and pass it as `after` to miss no event. An event appears when all earlier transactions have ended,
        usually within milliseconds.
        """
        after, limit = self.query.get("after", Cursor()), self.query["limit"]
        page = read_page(
            self.project.pk, after=after, limit=limit, types=self.query.get("types"), is_test=choose_world(self)
        )
        data = FeedEventOutput(page.events, many=True).data
        return Response(build_page(data, has_more=page.has_more, limit=limit, next_=page.next.write()))


class StreamView(ProjectView):
    """The project's events as they come."""

    scopes: ClassVar = {"get": EVENTS_READ}
    queries = {"get": StreamQuery}
    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="stream_events",
        parameters=[
            StreamQuery,
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Overrides `after`."),
        ],
        responses={(200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description="Server-sent events.")},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Server-sent events as they happen: `id` is the value for `after`, `event` the type, `data` the event.

        The stream ends after about a minute. Reconnect with `Last-Event-ID`, as browsers do, to miss no event.
        """
        seen = request.headers.get("Last-Event-ID")
        after = Cursor.read(seen) if seen else self.query.get("after") or find_end()
        return open_stream(
            self.project.pk,
            after=after,
            types=self.query.get("types"),
            is_test=choose_world(self),
            is_paced=EMPTY_MEANS_LATER in request.META,
        )
