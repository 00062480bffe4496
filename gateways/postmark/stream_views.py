"""Postmark's message streams API. Source: https://postmarkapp.com/developer/api/message-streams-api."""

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent, recorded
from accounts.models import Project, Stream, StreamType
from accounts.streams import DEFAULT_STREAM, create_stream, is_valid_name
from common.errors import NotFoundError
from common.serializers import SingleLineField, StrictChoiceField, StrictSerializer
from common.times import format_time
from gateways.postmark.queries import AnyCaseQuery
from gateways.postmark.requests import OUTBOUND
from gateways.postmark.viewsets import PostmarkViewSet
from messages.streams import delete_stream

TYPES: Mapping[str, StreamType] = {"Transactional": StreamType.TRANSACTIONAL, "Broadcasts": StreamType.BROADCAST}
NAMES = {type_: name for name, type_ in TYPES.items()}


class NewStream(StrictSerializer):
    """A stream to make. Its `ID` is our name; names and descriptions for people are not kept."""

    ID = SingleLineField(max_length=100)
    Name = SingleLineField(required=False)
    Description = SingleLineField(required=False, allow_null=True, allow_blank=True)
    MessageStreamType = StrictChoiceField(choices=list(TYPES))


class MessageStreamQuery(AnyCaseQuery):
    """The list's parameters. That of archived streams changes nothing: a deleted stream is gone."""

    MessageStreamType = StrictChoiceField(choices=["All", *TYPES], required=False)
    IncludeArchivedStreams = StrictChoiceField(choices=["true", "false"], required=False)


def show_stream(stream: Stream) -> dict[str, Any]:
    has_opt_out = stream.type == StreamType.BROADCAST
    return {
        "ID": stream.name,
        "ServerID": 0,
        "Name": stream.name,
        "Description": "",
        "MessageStreamType": NAMES[StreamType(stream.type)],
        "CreatedAt": format_time(stream.created_at),
        "UpdatedAt": None,
        "ArchivedAt": None,
        "ExpectedPurgeDate": None,
        "SubscriptionManagementConfiguration": {"UnsubscribeHandlingType": "Postmark" if has_opt_out else "None"},
    }


def find_stream(project: Project, name: str) -> Stream:
    """The project's stream; `outbound` is the default one unless a stream has this name. Raises NotFoundError."""
    wanted = [name, DEFAULT_STREAM] if is_valid_name(name) else []
    rows = {row.name: row for row in project.streams.filter(name__in=wanted)}
    found = rows.get(name) or (rows.get(DEFAULT_STREAM) if name == OUTBOUND else None)
    if found is None:
        raise NotFoundError
    return found


class StreamViewSet(PostmarkViewSet):
    """`/message-streams`. Identified by name; `outbound` is our default stream unless one has this name."""

    scopes: ClassVar = {
        "list": scopes.STREAMS_READ,
        "retrieve": scopes.STREAMS_READ,
        "create": scopes.STREAMS_WRITE,
        "archive": scopes.STREAMS_WRITE,
    }
    queries: ClassVar = {"list": MessageStreamQuery}
    bodies: ClassVar = {"create": NewStream}

    def get_queryset(self) -> QuerySet[Stream]:
        return self.project.streams.order_by("created_at", "name")

    def list(self, request: Request) -> Response:
        """All streams."""
        wanted = TYPES.get(self.query.get("MessageStreamType", "All"))
        rows = self.get_queryset().filter(type=wanted) if wanted else self.get_queryset()
        shown = [show_stream(row) for row in rows]
        return Response({"MessageStreams": shown, "TotalCount": len(shown)})

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Make a stream."""
        values = self.read_body()
        yield
        stream = create_stream(self.project, name=values["ID"], type_=TYPES[values["MessageStreamType"]])
        return Response(show_stream(stream))

    def retrieve(self, request: Request, name: str) -> Response:
        """One stream."""
        return Response(show_stream(find_stream(self.project, name)))

    @recorded
    def archive(self, request: Request, name: str) -> Generator[None, None, Response]:
        """Delete a stream. Its suppressions stay."""
        stream = find_stream(self.project, name)
        self.read_body()
        yield
        delete_stream(stream)
        return Response({"ID": stream.name, "ServerID": 0, "ExpectedPurgeDate": None})
