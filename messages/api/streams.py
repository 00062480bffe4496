"""`/api/v1/streams`. A deletion looks at mail, so the resource is in this package, not in `accounts`."""

from collections.abc import Generator
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, recorded
from accounts.models import Stream, StreamType
from accounts.scopes import STREAMS_READ, STREAMS_WRITE
from accounts.streams import (
    NAME_RULE,
    StreamExistsError,
    TooManyStreamsError,
    build_feedback_id,
    create_stream,
    is_valid_name,
)
from accounts.viewsets import ProjectViewSet
from common.errors import NotFoundError
from common.ids import parse_id
from common.openapi import list_problems
from common.serializers import PageQuery, SingleLineField, StrictChoiceField, StrictDateTimeField, StrictSerializer
from messages.streams import DefaultStreamError, StreamInUseError, delete_stream


class StreamInput(StrictSerializer):
    """A new stream."""

    name = SingleLineField(max_length=100, help_text=NAME_RULE)
    type = StrictChoiceField(
        choices=StreamType.choices,
        default=StreamType.TRANSACTIONAL,
        help_text="`transactional`: an email offers an opt-out if it sets `enable_unsubscribe`. `broadcast`: every "
        "email offers one, and none is critical. A type never changes.",
    )


class StreamQuery(PageQuery):
    """A page of the list."""


class StreamOutput(serializers.Serializer[Any]):
    """A stream."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=StreamType.choices)
    feedback_id = serializers.SerializerMethodField(
        help_text="The Feedback-ID of its mail, by which Gmail reports complaints: words for the stream, the project "
        "and the installation."
    )
    created_at = StrictDateTimeField()

    def get_feedback_id(self, stream: Stream) -> str:
        return build_feedback_id(stream.project_id, stream.name)


class StreamViewSet(ProjectViewSet):
    """The project's streams. Identified by id or name."""

    lookup_field = "ref"
    lookup_value_converter = "str"
    scopes: ClassVar = {
        "list": STREAMS_READ,
        "retrieve": STREAMS_READ,
        "create": STREAMS_WRITE,
        "destroy": STREAMS_WRITE,
    }
    serializer_class = StreamOutput
    queries = {"list": StreamQuery}
    bodies = {"create": StreamInput}

    def get_queryset(self) -> QuerySet[Stream]:
        return self.project.streams.all()

    def get_object(self) -> Stream:
        ref = self.kwargs["ref"]
        # Text that cannot be a name is not looked for: PostgreSQL takes no NUL.
        pk = parse_id(ref)
        is_ref = pk is not None or is_valid_name(ref)
        found = self.get_queryset().filter(Q(pk=pk) if pk else Q(name=ref)).first() if is_ref else None
        if found is None:
            raise NotFoundError
        self.touched = found
        return found

    @extend_schema(responses=StreamOutput)
    def list(self, request: Request) -> Response:
        """List the project's streams, the newest first."""
        return self.list_rows(self.get_queryset())

    @extend_schema(responses={201: StreamOutput, **list_problems(StreamExistsError, TooManyStreamsError)})
    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Make a stream."""
        values = self.read_body()
        yield
        return self.created(create_stream(self.project, name=values["name"], type_=StreamType(values["type"])))

    @extend_schema(responses=StreamOutput)
    def retrieve(self, request: Request, ref: str) -> Response:
        """Get a stream."""
        return self.show(self.get_object())

    @extend_schema(responses={204: None, **list_problems(DefaultStreamError, StreamInUseError)})
    @recorded
    def destroy(self, request: Request, ref: str) -> Generator[None, None, Response]:
        """Delete a stream, unless mail of it is on its way. Its suppressions stay."""
        stream = self.get_object()
        self.read_body()
        yield
        delete_stream(stream)
        return Response(status=204)
