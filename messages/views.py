"""The emails API: each view parses, calls one service, answers."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import scopes
from accounts.models import ApiKey
from common.errors import ConflictError, NotFoundError
from common.parsers import MAX_BATCH_BODY, MAX_BODY, read_array, read_object, read_optional_object
from common.serializers import AddressField, QuerySerializer
from messages import services
from messages.answers import EmailAnswer, EmailRow, EventAnswer
from messages.attachments import read_content
from messages.batches import prepare_batch
from messages.composing import compose_raw
from messages.filters import EmailQuery, list_messages, with_details
from messages.idempotency import Answer, Ticket, find_answer, fingerprint, read_key, run_once
from messages.models import Attachment, Message, Recipient
from messages.serializers import EmailRequest, RescheduleRequest, ResendRequest, SettleRequest, read_draft
from messages.services import Selection, Settlement
from tracking.models import Event

Act = Callable[[], Answer]

# The detail shows the first ones; `/events` pages through all.
MAX_EVENTS_SHOWN = 100


class NotComposedError(ConflictError):
    """The message is composed at its first attempt, and there has been none."""

    code = "not_composed"


class BatchQuery(QuerySerializer):
    """`?mode=permissive` accepts the good ones."""

    mode = serializers.ChoiceField(choices=["strict", "permissive"], default="strict")


class RawQuery(QuerySerializer):
    recipient = AddressField(required=False, help_text="Whose copy; by default the first in `to`.")


class EventQuery(QuerySerializer):
    after = serializers.UUIDField(required=False, help_text="Later than this event.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=100)


class EmailViewSet(GenericViewSet[Message]):
    """`/emails`."""

    max_body = MAX_BODY

    scopes = {
        "create": scopes.EMAILS_SEND,
        "batch": scopes.EMAILS_SEND,
        "list": scopes.EMAILS_READ,
        "retrieve": scopes.EMAILS_READ,
        "partial_update": scopes.EMAILS_SEND,
        "cancel": scopes.EMAILS_SEND,
        "resend": scopes.EMAILS_SEND,
        "settle": scopes.EMAILS_SEND,
        "events": scopes.EMAILS_READ,
        "raw": scopes.EMAILS_READ,
        "attachment": scopes.EMAILS_READ,
    }

    def create(self, request: Request) -> Response:
        """Accept one email. 202 comes after the commit that stored it."""
        key, body = key_of(request), read_object(request)

        def prepare() -> Act:
            prepared = services.prepare(key, [read_draft(EmailRequest(), body)])
            return lambda: answer_accepted(request, prepared.store()[0])

        return answer_once(request, body, prepare)

    @action(detail=False, methods=["post"], max_body=MAX_BATCH_BODY)
    def batch(self, request: Request) -> Response:
        """Accept up to 500 emails in one transaction: all or none, or with `?mode=permissive` the good ones."""
        key, body = key_of(request), read_array(request)
        query = read_query(BatchQuery, request)

        def prepare() -> Act:
            prepared, refused = prepare_batch(key, body, is_permissive=query["mode"] == "permissive")
            errors = [item.show() for item in refused]
            return lambda: Answer(
                status=HTTPStatus.ACCEPTED,
                body={
                    "data": [{"id": str(message.pk), "status": message.status} for message in prepared.store()],
                    "errors": errors,
                },
            )

        return answer_once(request, body, prepare)

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        query = read_query(EmailQuery, request)
        messages, has_more = list_messages(key_of(request).project, query)
        return Response(
            {
                "data": EmailRow(messages, many=True).data,
                "has_more": has_more,
                "limit": query["limit"],
                "offset": query["offset"],
                "next": str(messages[-1].pk) if has_more and messages else None,
            }
        )

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email with all that support needs."""
        return Response(EmailAnswer(find_detailed(request, pk)).data)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a scheduled email another time."""
        serializer = RescheduleRequest(data=read_object(request))
        message = find_message(request, pk)
        serializer.is_valid(raise_exception=True)
        services.reschedule(message, serializer.validated_data["scheduled_at"])
        return Response(EmailAnswer(find_detailed(request, pk)).data)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Cancel a scheduled email. After a 200 it is never delivered."""
        message = find_message(request, pk)
        body = read_optional_object(request)

        def act() -> Answer:
            services.cancel(message)
            return Answer(status=HTTPStatus.OK, body=EmailAnswer(find_detailed(request, pk)).data)

        return answer_once(request, body, lambda: act)

    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: UUID) -> Response:
        """Send the same content again, as a new email."""
        message = find_message(request, pk)
        body = read_optional_object(request)

        def prepare() -> Act:
            serializer = ResendRequest(data=body)
            serializer.is_valid(raise_exception=True)
            selection = Selection(serializer.validated_data.get("recipients", Selection.ALL))
            return lambda: answer_accepted(request, services.resend(key_of(request), message, selection))

        return answer_once(request, body, prepare)

    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: UUID) -> Response:
        """Say what became of attempts whose outcome nobody knows."""
        message = find_message(request, pk)
        serializer = SettleRequest(data=read_object(request))
        serializer.is_valid(raise_exception=True)
        services.settle(message, Settlement(serializer.validated_data["as"]))
        return Response(EmailAnswer(find_detailed(request, pk)).data)

    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: UUID) -> Response:
        """What happened to the email, in order."""
        query = read_query(EventQuery, request)
        events = Event.objects.filter(message_id=find_message(request, pk).pk).order_by("id")
        if "after" in query:
            events = events.filter(pk__gt=query["after"])
        page = list(events[: query["limit"] + 1])
        shown, has_more = page[: query["limit"]], len(page) > query["limit"]
        return Response(
            {
                "data": EventAnswer(shown, many=True).data,
                "has_more": has_more,
                "next": str(shown[-1].pk) if has_more else None,
            }
        )

    @action(detail=True, methods=["get"])
    def raw(self, request: Request, pk: UUID) -> HttpResponse:
        """The message as it was sent to one recipient."""
        query = read_query(RawQuery, request)
        message = find_detailed(request, pk)
        recipient = find_recipient(message, query.get("recipient"))
        if not any(attempt.started_at for row in message.shown_recipients for attempt in row.shown_attempts):
            raise NotComposedError
        return download(compose_raw(message.pk, recipient), "message/rfc822", f"{message.pk}.eml")

    @action(detail=True, methods=["get"], url_path="attachments/<uuid:attachment_id>")
    def attachment(self, request: Request, pk: UUID, attachment_id: UUID) -> HttpResponse:
        """An attachment's bytes."""
        found = (
            Attachment.objects.select_related("content")
            .filter(message__project=key_of(request).project, message_id=pk, pk=attachment_id)
            .first()
        )
        if found is None:
            raise NotFoundError
        return download(read_content(found.content), found.content_type, found.filename)


def key_of(request: Request) -> ApiKey:
    """The API key that the request came with."""
    assert isinstance(request.auth, ApiKey)
    return request.auth


def find_message(request: Request, pk: UUID) -> Message:
    """The project's message; NotFoundError for another project's as for none."""
    message = key_of(request).project.messages.filter(pk=pk).first()
    if message is None:
        raise NotFoundError
    return message


def find_detailed(request: Request, pk: UUID) -> Message:
    message = with_details(key_of(request).project.messages.filter(pk=pk)).first()
    if message is None:
        raise NotFoundError
    message.shown_events = list(Event.objects.filter(message_id=pk).order_by("id")[:MAX_EVENTS_SHOWN])
    return message


def find_recipient(message: Message, address: Any) -> Recipient:
    """The recipient with this address, or the first when none is named."""
    for row in message.shown_recipients:
        if address is None or row.address.lower() == address.address.lower():
            return row
    raise NotFoundError


def read_query(serializer_class: type[QuerySerializer], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.query_params)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def answer_accepted(request: Request, message: Message) -> Answer:
    """202, with where to look the email up."""
    prefix = request.path.rstrip("/").partition("/emails")[0]
    return Answer(
        status=HTTPStatus.ACCEPTED, body=EmailRow(message).data, headers={"Location": f"{prefix}/emails/{message.pk}"}
    )


def answer_once(request: Request, payload: object, prepare: Callable[[], Act]) -> Response:
    """The request's answer, or the one that its Idempotency-Key had before: the key is looked up before all checks."""
    ticket = Ticket(
        project_id=key_of(request).project_id,
        key=read_key(request.headers.get("Idempotency-Key")),
        fingerprint=fingerprint(request.method or "", request.get_full_path(), payload),
    )
    answer = find_answer(ticket) or run_once(ticket, prepare())
    headers = answer.headers | ({"Idempotency-Replayed": "true"} if answer.is_replayed else {})
    return Response(answer.body, status=answer.status, headers=headers)


def download(content: bytes, content_type: str, filename: str) -> HttpResponse:
    """Bytes that a browser saves and never shows."""
    response = HttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
