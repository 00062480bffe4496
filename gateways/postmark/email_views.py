"""Postmark's email and messages APIs. Each view rewrites the request, calls the service of `/api/v1` and shows the
result.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotency import StoredResponse
from common.errors import FieldError, InvalidFieldsError
from common.parsers import MAX_BATCH_BODY, read_array, read_object
from common.times import format_time
from gateways.postmark.errors import show_error
from gateways.postmark.message_forms import MessageQuery, select_messages
from gateways.postmark.queries import cut_page
from gateways.postmark.requests import read_email
from gateways.postmark.responses import EVENTS, show_details, show_message, show_sent
from gateways.postmark.trials import TrialViewSet, is_trial
from gateways.postmark.viewsets import PostmarkViewSet
from messages import services
from messages.accepting.admission import Admission
from messages.api.accepting_views import Accepted, accepting, count_items, count_one
from messages.api.attachment_fields import limit_body
from messages.api.batch import check_batch_size, prepare_batch
from messages.models import Message
from messages.selectors import find_detailed, timeline, with_rows

# https://postmarkapp.com/developer/api/email-api#send-batch-emails
MAX_BATCH = 500
FILE_FIELD = ("Attachments", "Content")


def count_listed(request: Request) -> int:
    """The number of emails of a batch with templates."""
    items = request.data.get("Messages") if isinstance(request.data, dict) else None
    return len(items) if isinstance(items, list) else 0


class EmailViewSet(TrialViewSet):
    """`/email` and `/email/withTemplate`: one email."""

    max_body = limit_body()
    file_field = FILE_FIELD
    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_one}

    def create(self, request: Request) -> HttpResponseBase:
        """Accept one email, or with the test token only check it."""
        return Response(self.try_email(read_object(request))) if is_trial(request) else self.accept(request)

    @accepting
    def accept(self, request: Request) -> Accepted:
        """The response follows the commit that stored the email."""
        data = read_object(request)
        draft, errors = read_email(self.project, is_templated=self.is_templated)(data)
        prepared = services.upload_and_prepare(self.key, [Admission(self.key).admit(draft, errors)])
        return prepared, lambda messages: StoredResponse(status=HTTPStatus.OK, body=show_sent(messages[0], data))


class TemplatedEmailViewSet(EmailViewSet):
    is_templated = True


class BatchViewSet(TrialViewSet):
    """`/email/batch` and `/email/batchWithTemplates`: each email of a batch is accepted or refused by itself."""

    max_body = MAX_BATCH_BODY
    file_field = FILE_FIELD
    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_items}

    def read_items(self, request: Request) -> Sequence[Any]:
        return read_array(request)

    def create(self, request: Request) -> HttpResponseBase:
        """Accept the valid emails in one transaction, or with the test token only check all."""
        if not is_trial(request):
            return self.accept(request)
        items = self.read_items(request)
        check_batch_size(items, MAX_BATCH)
        return Response([self.try_item(item) for item in items])

    @accepting
    def accept(self, request: Request) -> Accepted:
        items = self.read_items(request)
        read = read_email(self.project, is_templated=self.is_templated)
        batch = prepare_batch(self.key, items, is_permissive=True, may_be_empty=True, read=read, limit=MAX_BATCH)

        def respond(messages: Sequence[Message]) -> StoredResponse:
            shown = {item.index: show_error(item.error) for item in batch.refused}
            for index, message in zip(batch.indexes, messages, strict=True):
                shown[index] = show_sent(message, items[index])
            return StoredResponse(status=HTTPStatus.OK, body=[shown[index] for index in range(len(items))])

        return batch.prepared, respond


class TemplatedBatchViewSet(BatchViewSet):
    is_templated = True
    metered: ClassVar = {"create": count_listed}

    def read_items(self, request: Request) -> Sequence[Any]:
        """The list in `Messages`."""
        data = read_object(request)
        items = data.get("Messages")
        if set(data) != {"Messages"} or not isinstance(items, list):
            raise InvalidFieldsError([FieldError("", "invalid", "The body must have one member: Messages, a list.")])
        return items


class MessageViewSet(PostmarkViewSet):
    """`/messages/outbound` and `/messages/outbound/{id}/details`."""

    scopes: ClassVar = {"list": scopes.EMAILS_READ, "retrieve": scopes.EMAILS_READ}
    queries: ClassVar = {"list": MessageQuery}

    def list(self, request: Request) -> Response:
        """Emails, newest first."""
        messages = self.keep_world(self.project.messages.all())
        page, total = cut_page(with_rows(select_messages(self.project, messages, self.query)), self.query)
        return Response({"TotalCount": total, "Messages": [show_message(row) for row in page]})

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One email with its events, oldest first."""
        message = find_detailed(self.keep_world(self.project.messages.all()), pk)
        events = [
            {
                "Recipient": event.address,
                "Type": EVENTS[event.type],
                "ReceivedAt": format_time(event.occurred_at),
                "Details": {"Summary": event.data.get("reply", "")},
            }
            for event in timeline(message.pk).filter(type__in=list(EVENTS)).order_by("pk")
        ]
        return Response(show_details(message, events))
