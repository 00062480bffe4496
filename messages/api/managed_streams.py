"""`/api/v1/admin/projects/{id}/streams`: the streams of any project, for keys of the installation."""

from collections.abc import Generator
from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotent_views import idempotent, recorded
from accounts.models import Project, StreamType
from accounts.scopes import ADMIN
from accounts.streams import StreamExistsError, TooManyStreamsError, create_stream
from accounts.viewsets import locate
from common.openapi import list_problems
from messages.api.streams import StreamOutput, StreamViewSet
from messages.streams import DefaultStreamError, StreamInUseError, delete_stream


class ManagedStreamViewSet(StreamViewSet):
    """A project's streams, as the project itself manages them. Identified by id or name.

    DRF passes the path's parameters by name, so a view with one more has another signature.
    """

    scopes: ClassVar = dict.fromkeys(("list", "retrieve", "create", "destroy"), ADMIN)

    @property
    def project(self) -> Project:
        return get_object_or_404(Project, pk=self.kwargs["pk"])

    @extend_schema(responses=StreamOutput)
    def list(self, request: Request, pk: UUID) -> Response:  # type: ignore[override]
        """List a project's streams, the newest first."""
        return super().list(request)

    @extend_schema(responses={201: StreamOutput, **list_problems(StreamExistsError, TooManyStreamsError)})
    @idempotent
    def create(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Make a stream of a project."""
        project, values = self.project, self.read_body()
        yield
        stream = create_stream(project, name=values["name"], type_=StreamType(values["type"]))
        response = self.show(stream, 201)
        response["Location"] = locate(f"{self.basename}-detail", pk, stream.pk)
        return response

    @extend_schema(responses=StreamOutput)
    def retrieve(self, request: Request, pk: UUID, ref: str) -> Response:  # type: ignore[override]
        """Get a stream of a project."""
        return super().retrieve(request, ref)

    @extend_schema(responses={204: None, **list_problems(DefaultStreamError, StreamInUseError)})
    @recorded
    def destroy(self, request: Request, pk: UUID, ref: str) -> Generator[None, None, Response]:
        """Delete a stream, unless mail of it is on its way. Its suppressions stay."""
        stream = self.get_object()
        self.read_body()
        yield
        delete_stream(stream)
        return Response(status=204)
