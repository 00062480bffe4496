"""The emails API. Each view parses the request, calls one service and builds the response; `schema` has the OpenAPI."""

from collections.abc import Generator
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotency import StoredResponse, read_key
from accounts.idempotent_views import as_response, idempotent, mark_idempotent, recorded
from accounts.models import ApiKey
from accounts.viewsets import ProjectViewSet, locate
from common.errors import ConflictError
from common.parsers import MAX_BATCH_BODY, read_array, read_object
from messages import services
from messages.accepting.admission import Admission, Admitted
from messages.api.accepting_views import Accepted, accepting, count_items, count_one
from messages.api.attachment_fields import limit_body
from messages.api.batch import prepare_batch
from messages.api.dry_run import SendQuery, count_unless_dry, show_dry_run
from messages.api.filters import (
    BatchQuery,
    EmailFilter,
    EmailPagination,
    EmailQuery,
    RawQuery,
    TimelinePagination,
    TimelineQuery,
)
from messages.api.responses import EMAIL, SHOW_ROW, EmailOutput, EmailRow
from messages.api.serializers import (
    EmailRequest,
    RescheduleRequest,
    ResendRequest,
    SettleManyRequest,
    SettleRequest,
    read_draft,
)
from messages.api.settling import settle_listed
from messages.attachments import read_content
from messages.deciding.settling import Settlement, settle
from messages.explain.explain import explain
from messages.explain.serializers import EXPLANATION
from messages.models import Message
from messages.selectors import (
    BodyPurgedError,
    check_content,
    find_attachment,
    find_detailed,
    find_explained,
    find_recipient,
    timeline,
)
from messages.sending.composing import compose_raw
from messages.services import ResendRecipients
from tracking.event_serializers import EventOutput

# The fields of an email that hold its content.
CONTENT = frozenset({"html", "text", "template_vars"})


class NotComposedError(ConflictError):
    """The message is composed at the first attempt for this recipient, which has not started yet."""

    code = "not_composed"


class EmailViewSet(ProjectViewSet):
    """`/emails`."""

    max_body = limit_body()
    file_field = ("attachments", "content_b64")
    scopes: ClassVar = {
        "create": scopes.EMAILS_SEND,
        "batch": scopes.EMAILS_SEND,
        "list": scopes.EMAILS_READ,
        "retrieve": scopes.EMAILS_READ,
        "partial_update": scopes.EMAILS_SEND,
        "cancel": scopes.EMAILS_SEND,
        "resend": scopes.EMAILS_SEND,
        "settle": scopes.EMAILS_SEND,
        "settle_many": scopes.EMAILS_SEND,
        "events": scopes.EMAILS_READ,
        "explain": scopes.EMAILS_READ,
        "raw": scopes.EMAILS_READ,
        "attachment": scopes.EMAILS_READ,
    }

    pagination_class = EmailPagination
    filter_backends = (EmailFilter,)
    serializer_class = EmailRow
    answers = {"retrieve": EmailOutput, "events": EventOutput}
    queries = {"create": SendQuery, "batch": BatchQuery, "list": EmailQuery, "events": TimelineQuery, "raw": RawQuery}
    bodies = {
        "create": EmailRequest,
        # The serializer of each item in the array.
        "batch": EmailRequest,
        "partial_update": RescheduleRequest,
        "resend": ResendRequest,
        "settle": SettleRequest,
        "settle_many": SettleManyRequest,
    }
    located = frozenset({"create", "resend"})
    # A message tells itself when it was accepted, and by which key.
    # Of a settlement of many, each email has an entry.
    unaudited = frozenset({"create", "batch", "resend", "settle_many"})
    metered = {"create": count_unless_dry, "batch": count_items, "resend": count_one}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """A key without `emails:read` gets no content, nor in a stored answer to another key's request."""
        # An answer that is encoded already is that of an accepted email, whose row holds no content.
        is_open = isinstance(response, Response) and response.status_code < HTTPStatus.BAD_REQUEST
        if is_open and self.scopes.get(self.action) == scopes.EMAILS_SEND and not may_read(request):
            response.data = leave_content_out(response.data)
        return super().finalize_response(request, response, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Message]:
        return self.keep_world(self.project.messages.all())

    @mark_idempotent
    def create(self, request: Request) -> HttpResponseBase:
        """Accept one email. The response 202 follows the commit that stored it.

        With `?dry_run=true` the email is checked and composed in the same way, and nothing is stored or sent. The
        Idempotency-Key stays unused.
        """
        return self.try_out(request) if self.query.get("dry_run") else self.accept_one(request)

    @accepting
    def accept_one(self, request: Request) -> Accepted:
        prepared = services.upload_and_prepare(self.key, [self.admit_one(request)])
        return prepared, lambda messages: keep_accepted(messages[0])

    def try_out(self, request: Request) -> Response:
        read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        self.require_permit()
        return Response(show_dry_run(self.key, self.admit_one(request), may_read=may_read(request)))

    def admit_one(self, request: Request) -> Admitted:
        """The email of the request's body. Raises the errors of `Admission.admit`."""
        draft, errors = read_draft(read_object(request))
        return Admission(self.key).admit(draft, errors)

    @action(detail=False, methods=["post"], max_body=MAX_BATCH_BODY)
    @accepting
    def batch(self, request: Request) -> Accepted:
        """Accept up to 500 emails in one transaction: all or none, or with `?mode=permissive` the valid ones."""
        is_permissive = self.query["mode"] == "permissive"
        batch = prepare_batch(self.key, read_array(request), is_permissive=is_permissive)
        return batch.prepared, batch.respond

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([SHOW_ROW(message) for message in page or ()])

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email with bodies, attempts and events."""
        return self.show_whole(pk)

    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Reschedule a scheduled email."""
        message, scheduled_at = self.get_object(), self.read_body()["scheduled_at"]
        yield
        services.reschedule(message, scheduled_at)
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
        """Resend the same content as a new email, also to other addresses. The original never changes."""
        message, fields = self.get_object(), self.read_body()
        selection = ResendRecipients(fields.get("recipients", ResendRecipients.ALL))
        yield
        if "to" in fields:
            return accepted(services.resend_to(self.key, message, fields["to"]))
        return accepted(services.resend(self.key, message, selection))

    @action(detail=True, methods=["post"])
    @idempotent
    def settle(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Settle attempts whose outcome is unknown: as sent, to be retried, or as failed."""
        message = self.get_object()
        settlement = Settlement(self.read_body()["as"])
        yield
        settle(message, settlement)
        return self.show_whole(pk)

    @action(detail=False, methods=["post"], url_path="settle")
    @idempotent
    def settle_many(self, request: Request) -> Generator[None, None, Response]:
        """Settle the uncertain attempts of up to 500 emails alike, those of the ids where there are some.

        `errors` has the ids without: unknown ones, and those of emails that wait for no settlement. 422 if all are.
        """
        fields = self.read_body()
        yield
        return Response(settle_listed(self.key, self.get_queryset(), fields["ids"], Settlement(fields["as"])))

    @action(detail=True, methods=["get"], pagination_class=TimelinePagination)
    def events(self, request: Request, pk: UUID) -> Response:
        """The email's events in order."""
        return self.list_rows(timeline(self.get_object().pk))

    @action(detail=True, methods=["get"])
    def explain(self, request: Request, pk: UUID) -> Response:
        """Explain the email in plain words: the reason for its state, the next step with its time, and possible steps.

        Programs should use `status` and `status_reason`; the sentences are for people, and their wording may change.
        """
        return Response(EXPLANATION.to_representation(explain(find_explained(self.get_queryset(), pk))))

    @action(detail=True, methods=["get"])
    def raw(self, request: Request, pk: UUID) -> HttpResponse:
        """The message as it was sent to one recipient."""
        message = self.get_object()
        recipient = find_recipient(message, self.query.get("recipient"))
        if not recipient.attempts.filter(started_at__isnull=False).exists():
            raise NotComposedError
        check_content(message)
        return download(compose_raw(message.pk, recipient), "message/rfc822", f"{message.pk}.eml")

    @action(detail=True, methods=["get"], url_path="attachments/<id:attachment_id>")
    def attachment(self, request: Request, pk: UUID, attachment_id: UUID) -> HttpResponse:
        """An attachment's bytes."""
        found = find_attachment(self.get_queryset(), pk, attachment_id)
        if found.content is None:
            raise BodyPurgedError
        return download(read_content(found.content), found.content_type, found.filename)

    def show_whole(self, pk: UUID) -> Response:
        """The response with the email's full detail."""
        return Response(EMAIL.to_representation(find_detailed(self.get_queryset(), pk)))


def may_read(request: Request) -> bool:
    return isinstance(request.auth, ApiKey) and request.auth.has_scope(scopes.EMAILS_READ)


def leave_content_out(data: Any) -> Any:
    """An email as it is shown, without its content; anything else as it is."""
    return {name: value for name, value in data.items() if name not in CONTENT} if isinstance(data, dict) else data


def accepted(message: Message) -> Response:
    """The response 202 with the email and its Location."""
    return as_response(keep_accepted(message))


def keep_accepted(message: Message) -> StoredResponse:
    """The same in the form that is stored with an idempotency key."""
    headers = {"Location": locate("email-detail", message.pk)}
    return StoredResponse(status=HTTPStatus.ACCEPTED, body=SHOW_ROW(message), headers=headers)


def download(content: bytes, content_type: str, filename: str) -> HttpResponse:
    """A download, which browsers save and never show."""
    response = HttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
