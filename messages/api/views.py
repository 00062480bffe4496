"""The emails API: each view parses, calls one service, answers. `schema` describes them for OpenAPI."""

from collections.abc import Generator
from http import HTTPStatus
from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotent_views import idempotent
from accounts.viewsets import ProjectViewSet, locate
from common.errors import ConflictError
from common.parsers import MAX_BATCH_BODY, MAX_BODY, read_array, read_object
from messages import services
from messages.accepting.admission import Admission
from messages.api.batch import prepare_batch
from messages.api.filters import (
    BatchQuery,
    EmailFilter,
    EmailPagination,
    EmailQuery,
    RawQuery,
    TimelinePagination,
    TimelineQuery,
)
from messages.api.responses import EMAIL, ROW, EmailOutput, EmailRow
from messages.api.serializers import EmailRequest, RescheduleRequest, ResendRequest, SettleRequest, read_draft
from messages.attachments import read_content
from messages.explain.explain import explain
from messages.explain.serializers import EXPLANATION
from messages.models import Message
from messages.selectors import find_attachment, find_detailed, find_explained, find_recipient, timeline
from messages.sending.composing import compose_raw
from messages.services import ResendRecipients, Settlement
from tracking.event_serializers import EventOutput


class NotComposedError(ConflictError):
    """The message is composed at its first attempt to this recipient, and there has been none."""

    code = "not_composed"


class EmailViewSet(ProjectViewSet):
    """`/emails`."""

    max_body = MAX_BODY
    scopes: ClassVar = {
        "create": scopes.EMAILS_SEND,
        "batch": scopes.EMAILS_SEND,
        "list": scopes.EMAILS_READ,
        "retrieve": scopes.EMAILS_READ,
        "partial_update": scopes.EMAILS_SEND,
        "cancel": scopes.EMAILS_SEND,
        "resend": scopes.EMAILS_SEND,
        "settle": scopes.EMAILS_SEND,
        "events": scopes.EMAILS_READ,
        "explain": scopes.EMAILS_READ,
        "raw": scopes.EMAILS_READ,
        "attachment": scopes.EMAILS_READ,
    }

    pagination_class = EmailPagination
    filter_backends = (EmailFilter,)
    serializer_class = EmailRow
    answers = {"retrieve": EmailOutput, "events": EventOutput}
    queries = {"batch": BatchQuery, "list": EmailQuery, "events": TimelineQuery, "raw": RawQuery}
    bodies = {
        "create": EmailRequest,
        # Each item of its array.
        "batch": EmailRequest,
        "partial_update": RescheduleRequest,
        "resend": ResendRequest,
        "settle": SettleRequest,
    }
    located = frozenset({"create", "resend"})

    def get_queryset(self) -> QuerySet[Message]:
        return self.project.messages.all()

    @idempotent
    def create(self, request: Request) -> Generator[None, None, Response]:
        """Accept one email. 202 comes after the commit that stored it."""
        draft, errors = read_draft(read_object(request))
        prepared = services.upload_and_prepare(self.key, [Admission(self.key).admit(draft, errors)])
        yield
        return accepted(prepared.store()[0])

    @action(detail=False, methods=["post"], max_body=MAX_BATCH_BODY)
    @idempotent
    def batch(self, request: Request) -> Generator[None, None, Response]:
        """Accept up to 500 emails in one transaction: all or none, or with `?mode=permissive` the good ones."""
        is_permissive = self.query["mode"] == "permissive"
        prepared, refused = prepare_batch(self.key, read_array(request), is_permissive=is_permissive)
        errors = [item.show() for item in refused]
        yield
        stored = [{"id": str(message.pk), "status": message.status} for message in prepared.store()]
        return Response({"data": stored, "errors": errors}, status=HTTPStatus.ACCEPTED)

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([ROW.to_representation(message) for message in page or ()])

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email with all that support needs."""
        return self.show_whole(pk)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a scheduled email another time."""
        message = self.get_object()
        services.reschedule(message, self.read_body()["scheduled_at"])
        return self.show_whole(pk)

    @action(detail=True, methods=["post"])
    @idempotent
    def cancel(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Cancel a scheduled email. After a 200 it is never delivered."""
        message = self.get_object()
        self.read_body()
        yield
        services.cancel(message)
        return self.show_whole(pk)

    @action(detail=True, methods=["post"])
    @idempotent
    def resend(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Send the same content again, as a new email. The old one never changes."""
        message = self.get_object()
        selection = ResendRecipients(self.read_body().get("recipients", ResendRecipients.ALL))
        yield
        return accepted(services.resend(self.key, message, selection))

    @action(detail=True, methods=["post"])
    @idempotent
    def settle(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Say what became of attempts whose outcome nobody knows."""
        message = self.get_object()
        settlement = Settlement(self.read_body()["as"])
        yield
        services.settle(message, settlement)
        return self.show_whole(pk)

    @action(detail=True, methods=["get"], pagination_class=TimelinePagination)
    def events(self, request: Request, pk: UUID) -> Response:
        """What happened to the email, in order."""
        return self.list_rows(timeline(self.get_object().pk))

    @action(detail=True, methods=["get"])
    def explain(self, request: Request, pk: UUID) -> Response:
        """Why the email is in its state, what happens next and when, and what a person can do: in plain words.

        Decide by `status` and `status_reason`; the sentences are for people, and are mended from time to time.
        """
        return Response(EXPLANATION.to_representation(explain(find_explained(self.project, pk))))

    @action(detail=True, methods=["get"])
    def raw(self, request: Request, pk: UUID) -> HttpResponse:
        """The message as it was sent to one recipient."""
        message = self.get_object()
        recipient = find_recipient(message, self.query.get("recipient"))
        if not recipient.attempts.filter(started_at__isnull=False).exists():
            raise NotComposedError
        return download(compose_raw(message.pk, recipient), "message/rfc822", f"{message.pk}.eml")

    @action(detail=True, methods=["get"], url_path="attachments/<id:attachment_id>")
    def attachment(self, request: Request, pk: UUID, attachment_id: UUID) -> HttpResponse:
        """An attachment's bytes."""
        found = find_attachment(self.project, pk, attachment_id)
        return download(read_content(found.content), found.content_type, found.filename)

    def show_whole(self, pk: UUID) -> Response:
        """The email with all that the detail shows."""
        return Response(EMAIL.to_representation(find_detailed(self.project, pk)))


def accepted(message: Message) -> Response:
    """202, with where to look the email up."""
    headers = {"Location": locate("email-detail", message.pk)}
    return Response(ROW.to_representation(message), status=HTTPStatus.ACCEPTED, headers=headers)


def download(content: bytes, content_type: str, filename: str) -> HttpResponse:
    """Bytes that a browser saves and never shows."""
    response = HttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
