"""Resend's emails API. Each view rewrites the request, calls the service of `/api/v1` and shows the result."""

from collections.abc import Generator, Sequence
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotency import StoredResponse
from accounts.idempotent_views import idempotent, recorded
from common.parsers import MAX_BATCH_BODY, read_array, read_object
from common.validation import read_fields
from gateways.resend.errors import WORDING
from gateways.resend.requests import MODE_HEADER, UpdateRequest, read_email, read_mode, write_time
from gateways.resend.responses import find_reactions, show_email, show_id, show_row
from gateways.resend.viewsets import ResendViewSet
from messages import services
from messages.accepting.admission import Admission
from messages.api.accepting_views import Accepted, accepting, count_items, count_one
from messages.api.attachment_fields import limit_body
from messages.api.batch import prepare_batch
from messages.api.filters import EmailFilter, EmailPagination, EmailQuery
from messages.api.responses import EmailRow
from messages.models import Message
from messages.selectors import find_detailed

# The bytes of a file may be a list of numbers, which takes six times the memory of base64.
MAX_FILE_NUMBERS = 4_000_000
# https://resend.com/docs/api-reference/emails/send-batch-emails
MAX_BATCH = 100


class EmailViewSet(ResendViewSet):
    """`/compat/resend/emails`."""

    max_body = limit_body()
    file_field = ("attachments", "content")
    max_values = MAX_FILE_NUMBERS
    scopes: ClassVar = {
        "create": scopes.EMAILS_SEND,
        "batch": scopes.EMAILS_SEND,
        "list": scopes.EMAILS_READ,
        "retrieve": scopes.EMAILS_READ,
        "partial_update": scopes.EMAILS_SEND,
        "cancel": scopes.EMAILS_SEND,
    }
    unaudited: ClassVar = frozenset({"create", "batch"})
    metered: ClassVar = {"create": count_one, "batch": count_items}
    pagination_class = EmailPagination
    filter_backends = (EmailFilter,)
    serializer_class = EmailRow
    queries: ClassVar = {"list": EmailQuery}
    bodies: ClassVar = {"partial_update": UpdateRequest}

    def get_queryset(self) -> QuerySet[Message]:
        return self.keep_world(self.project.messages.all())

    @accepting
    def create(self, request: Request) -> Accepted:
        """Accept one email. The response follows the commit that stored it."""
        draft, errors = read_email(read_object(request))
        prepared = services.upload_and_prepare(self.key, [Admission(self.key).admit(draft, errors)])
        return prepared, lambda messages: keep({"id": str(messages[0].pk)})

    @action(detail=False, methods=["post"], max_body=MAX_BATCH_BODY)
    @accepting
    def batch(self, request: Request) -> Accepted:
        """Accept up to 100 emails in one transaction: all or none, or in permissive mode the valid ones."""
        is_permissive = read_mode(request.headers.get(MODE_HEADER, "strict")) == "permissive"
        items = read_array(request)
        batch = prepare_batch(self.key, items, is_permissive=is_permissive, read=read_email, limit=MAX_BATCH)
        errors = [{"index": item.index, "message": WORDING.describe_all(item.error)} for item in batch.refused]

        def respond(messages: Sequence[Message]) -> StoredResponse:
            data = [{"id": str(message.pk)} for message in messages]
            return keep({"data": data, "errors": errors} if is_permissive else {"data": data})

        return batch.prepared, respond

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        reactions = find_reactions(self.project, [message.pk for message in page])
        return self.show_page([show_row(message, reactions.get(message.pk)) for message in page])

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email."""
        message = find_detailed(self.get_queryset(), pk)
        return Response(show_email(message, find_reactions(self.project, [pk]).get(pk)))

    @recorded
    def partial_update(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Reschedule a scheduled email."""
        message = self.get_object()
        body = read_object(request)
        if "scheduled_at" in body:
            body |= write_time(body["scheduled_at"])
        scheduled_at = read_fields(UpdateRequest, body)["scheduled_at"]
        yield
        return Response(show_id(services.reschedule(message, scheduled_at)))

    @action(detail=True, methods=["post"])
    @idempotent
    def cancel(self, request: Request, pk: UUID) -> Generator[None, None, Response]:
        """Cancel a scheduled email. After a 200 it is never delivered."""
        message = self.get_object()
        self.read_body()
        yield
        return Response(show_id(services.cancel(message)))


def keep(body: Any) -> StoredResponse:
    """A response 200 in the form that is stored with an idempotency key."""
    return StoredResponse(status=HTTPStatus.OK, body=body)
