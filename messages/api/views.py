"""The emails API: each view parses, calls one service, answers. `schema` describes them for OpenAPI."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts import scopes
from accounts.models import ApiKey
from common.errors import ConflictError
from common.parsers import MAX_BATCH_BODY, MAX_BODY, read_array, read_object, read_optional_object, read_payload
from common.serializers import QuerySerializer
from messages import services
from messages.api.batch import prepare_batch
from messages.api.filters import list_messages
from messages.api.queries import BatchQuery, EmailQuery, NoQuery, RawQuery, TimelineQuery
from messages.api.responses import EMAIL, ROW
from messages.api.serializers import (
    EMAIL_REQUEST,
    NoFields,
    RescheduleRequest,
    ResendRequest,
    SettleRequest,
    read_draft,
    read_fields,
)
from messages.attachments import read_content
from messages.explain.explain import explain
from messages.explain.serializers import EXPLANATION
from messages.idempotency import Answer, Ticket, find_answer, fingerprint, read_key, run_once
from messages.models import Message
from messages.selectors import (
    find_attachment,
    find_detailed,
    find_explained,
    find_message,
    find_recipient,
    list_timeline,
)
from messages.sending.composing import compose_raw
from messages.services import Selection, Settlement
from tracking.event_serializers import EventAnswer

Act = Callable[[], Answer]


class NotComposedError(ConflictError):
    """The message is composed at its first attempt to this recipient, and there has been none."""

    code = "not_composed"


class EmailViewSet(ViewSet):
    """`/emails`."""

    max_body = MAX_BODY
    is_body_optional = False
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

    def create(self, request: Request) -> Response:
        """Accept one email. 202 comes after the commit that stored it."""
        read_query(NoQuery, request)

        def prepare() -> Act:
            draft = read_draft(EMAIL_REQUEST, read_object(request))
            prepared = services.prepare(key_of(request), [draft])
            return lambda: answer_accepted(prepared.store()[0])

        return answer_once(request, prepare)

    @action(detail=False, methods=["post"], max_body=MAX_BATCH_BODY)
    def batch(self, request: Request) -> Response:
        """Accept up to 500 emails in one transaction: all or none, or with `?mode=permissive` the good ones."""
        mode = read_query(BatchQuery, request)["mode"]

        def prepare() -> Act:
            items = read_array(request)
            prepared, refused = prepare_batch(key_of(request), items, is_permissive=mode == "permissive")
            errors = [item.show() for item in refused]
            return lambda: Answer(
                status=HTTPStatus.ACCEPTED,
                body={
                    "data": [{"id": str(message.pk), "status": message.status} for message in prepared.store()],
                    "errors": errors,
                },
            )

        return answer_once(request, prepare)

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        query = read_query(EmailQuery, request)
        messages, has_more = list_messages(key_of(request).project, query)
        # Below the page above a known email there is always that email.
        is_followed = bool(messages) and (has_more or ("before" in query and "after" not in query))
        return Response(
            {
                "data": [ROW.to_representation(message) for message in messages],
                "has_more": has_more,
                "limit": query["limit"],
                "offset": query["offset"],
                "next": str(messages[-1].pk) if is_followed else None,
            }
        )

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email with all that support needs."""
        read_query(NoQuery, request)
        return Response(show_email(request, pk))

    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a scheduled email another time."""
        read_query(NoQuery, request)
        message = find_message(key_of(request).project, pk)
        fields = read_fields(RescheduleRequest, read_object(request))
        services.reschedule(message, fields["scheduled_at"])
        return Response(show_email(request, pk))

    @action(detail=True, methods=["post"], is_body_optional=True)
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Cancel a scheduled email. After a 200 it is never delivered."""
        read_query(NoQuery, request)

        def prepare() -> Act:
            message = find_message(key_of(request).project, pk)
            read_fields(NoFields, read_optional_object(request))

            def act() -> Answer:
                services.cancel(message)
                return Answer(status=HTTPStatus.OK, body=show_email(request, pk))

            return act

        return answer_once(request, prepare)

    @action(detail=True, methods=["post"], is_body_optional=True)
    def resend(self, request: Request, pk: UUID) -> Response:
        """Send the same content again, as a new email. The old one never changes."""
        read_query(NoQuery, request)

        def prepare() -> Act:
            message = find_message(key_of(request).project, pk)
            fields = read_fields(ResendRequest, read_optional_object(request))
            selection = Selection(fields.get("recipients", Selection.ALL))
            return lambda: answer_accepted(services.resend(key_of(request), message, selection))

        return answer_once(request, prepare)

    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: UUID) -> Response:
        """Say what became of attempts whose outcome nobody knows."""
        read_query(NoQuery, request)
        message = find_message(key_of(request).project, pk)
        fields = read_fields(SettleRequest, read_object(request))
        services.settle(message, Settlement(fields["as"]))
        return Response(show_email(request, pk))

    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: UUID) -> Response:
        """What happened to the email, in order."""
        query = read_query(TimelineQuery, request)
        events, has_more = list_timeline(find_message(key_of(request).project, pk), query)
        return Response(
            {
                "data": EventAnswer(events, many=True).data,
                "has_more": has_more,
                "next": str(events[-1].pk) if has_more else None,
            }
        )

    @action(detail=True, methods=["get"])
    def explain(self, request: Request, pk: UUID) -> Response:
        """Why the email is in its state, what happens next and when, and what a person can do: in plain words.

        Decide by `status` and `status_reason`; the sentences are for people, and are mended from time to time.
        """
        read_query(NoQuery, request)
        return Response(EXPLANATION.to_representation(explain(find_explained(key_of(request).project, pk))))

    @action(detail=True, methods=["get"])
    def raw(self, request: Request, pk: UUID) -> HttpResponse:
        """The message as it was sent to one recipient."""
        query = read_query(RawQuery, request)
        message = find_message(key_of(request).project, pk)
        recipient = find_recipient(message, query.get("recipient"))
        if not recipient.attempts.filter(started_at__isnull=False).exists():
            raise NotComposedError
        return download(compose_raw(message.pk, recipient), "message/rfc822", f"{message.pk}.eml")

    @action(detail=True, methods=["get"], url_path="attachments/<uuid:attachment_id>")
    def attachment(self, request: Request, pk: UUID, attachment_id: UUID) -> HttpResponse:
        """An attachment's bytes."""
        read_query(NoQuery, request)
        found = find_attachment(key_of(request).project, pk, attachment_id)
        return download(read_content(found.content), found.content_type, found.filename)


def key_of(request: Request) -> ApiKey:
    """The API key that the request came with."""
    assert isinstance(request.auth, ApiKey)
    return request.auth


def read_query(query_class: type[QuerySerializer], request: Request) -> dict[str, Any]:
    return read_fields(query_class, request.query_params)


def show_email(request: Request, pk: UUID) -> dict[str, Any]:
    shown: dict[str, Any] = EMAIL.to_representation(find_detailed(key_of(request).project, pk))
    return shown


def answer_accepted(message: Message) -> Answer:
    """202, with where to look the email up."""
    return Answer(
        status=HTTPStatus.ACCEPTED,
        body=ROW.to_representation(message),
        headers={"Location": reverse("email-detail", args=[message.pk])},
    )


def answer_once(request: Request, prepare: Callable[[], Act]) -> Response:
    """The request's answer, or the one that its Idempotency-Key had before: the key is looked up before all fields."""
    ticket = read_ticket(request)
    answer = find_answer(ticket) or run_once(ticket, prepare())
    headers = answer.headers | ({"Idempotency-Replayed": "true"} if answer.is_replayed else {})
    return Response(answer.body, status=answer.status, headers=headers)


def read_ticket(request: Request) -> Ticket | None:
    """The request's idempotency key with what it is used for; None when the client sent none."""
    key = read_key(request.headers.get("Idempotency-Key"))
    if not key:
        return None
    query = request.META.get("QUERY_STRING", "")
    path = request.path.rstrip("/") + (f"?{query}" if query else "")
    return Ticket(
        project_id=key_of(request).project_id,
        key=key,
        fingerprint=fingerprint(request.method or "", path, read_payload(request)),
    )


def download(content: bytes, content_type: str, filename: str) -> HttpResponse:
    """Bytes that a browser saves and never shows."""
    response = HttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
