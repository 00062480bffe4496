"""`/api/v1/events` and its stream."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.scopes import EVENTS_READ
from tracking.event_serializers import FeedEventAnswer
from tracking.feed.cursor import Cursor
from tracking.feed.filters import CursorField, FeedQuery, StreamQuery
from tracking.feed.pages import find_end, read_page
from tracking.feed.stream import open_stream


class FeedPageAnswer(serializers.Serializer[object]):
    """Events, the oldest first. `next` is the value for `after`; it goes on also where `data` is empty."""

    data = FeedEventAnswer(many=True)  # type: ignore[assignment]  # the name is the API's
    has_more = serializers.BooleanField(help_text="Whether more is there already.")
    next = CursorField()


class EventStreamRenderer(JSONRenderer):
    """Lets clients ask for `text/event-stream`; errors are JSON all the same."""

    media_type = "text/event-stream"
    format = "events"


class FeedView(APIView):
    """The project's events."""

    scopes: ClassVar = {"get": EVENTS_READ}

    @extend_schema(operation_id="list_events", parameters=[FeedQuery], responses=FeedPageAnswer)
    def get(self, request: Request) -> Response:
        """All that happened to the project's mail, each event once and in order, the oldest first.

        Keep `next` and pass it as `after`: no event is left out, whoever writes at the same time. What belongs to a
        transaction that has not ended is shown when it has, usually within milliseconds.
        """
        query = read_query(FeedQuery, request)
        page = read_page(
            project_id(request), after=query.get("after", Cursor()), limit=query["limit"], types=query.get("types")
        )
        return Response(
            {
                "data": FeedEventAnswer(page.events, many=True).data,
                "has_more": page.has_more,
                "next": page.next.write(),
            }
        )


class StreamView(APIView):
    """The project's events as they come."""

    scopes: ClassVar = {"get": EVENTS_READ}
    renderer_classes = (JSONRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="stream_events",
        parameters=[
            StreamQuery,
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Goes before `after`."),
        ],
        responses={(200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description="Server-sent events.")},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Server-sent events as they happen: `id` is the value for `after`, `event` the type, `data` the event.

        Ends after about a minute; come back with `Last-Event-ID`, as browsers do by themselves, and nothing is missed.
        """
        query = read_query(StreamQuery, request)
        seen = request.headers.get("Last-Event-ID")
        after = Cursor.read(seen) if seen else query.get("after") or find_end()
        return open_stream(project_id(request), after=after, types=query.get("types"))


def project_id(request: Request) -> UUID:
    pk: UUID = request.user.project.pk  # type: ignore[union-attr]
    return pk


def read_query(serializer_class: type[StreamQuery], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.query_params)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
