"""SendGrid's mail send API: the view rewrites the request, and calls the services of `/api/v1`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotency import StoredResponse
from common.errors import InvalidFieldsError
from common.parsers import read_object
from gateways.sendgrid.requests import MAX_PERSONALIZATIONS, Mail, read_mail
from gateways.sendgrid.settings_forms import is_sandboxed
from gateways.sendgrid.viewsets import SendGridViewSet
from messages.api.accepting_views import Accepted, accepting
from messages.api.attachment_fields import limit_body
from messages.api.batch import PreparedBatch, prepare_batch
from messages.models import Message


def is_check(request: Request) -> bool:
    """Whether the request asks for the sandbox: its email is checked, and not sent."""
    try:
        return isinstance(request.data, dict) and is_sandboxed(request.data.get("mail_settings"))
    except InvalidFieldsError:
        # Told with all other errors.
        return False


def count_personal(request: Request) -> int:
    """The number of emails of a request."""
    items = request.data.get("personalizations") if isinstance(request.data, dict) else None
    return len(items) if isinstance(items, list) and not is_check(request) else 0


class MailViewSet(SendGridViewSet):
    """`/v3/mail/send`: one email for each personalization, all or none."""

    max_body = limit_body()
    file_field = ("attachments", "content")
    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_personal}

    def create(self, request: Request) -> HttpResponseBase:
        """Accept the emails in one transaction, or only check them."""
        return self.check(request) if is_check(request) else self.accept(request)

    @accepting
    def accept(self, request: Request) -> Accepted:
        """The response 202 follows the commit. `X-Message-Id` is the id of the first email."""
        batch = self.prepare(read_mail(self.project, read_object(request)))

        def respond(messages: Sequence[Message]) -> StoredResponse:
            headers = {"X-Message-Id": str(messages[0].pk)}
            return StoredResponse(status=HTTPStatus.ACCEPTED, body=None, headers=headers)

        return batch.prepared, respond

    def check(self, request: Request) -> Response:
        """200 for emails that would be accepted. Nothing is stored, and no Idempotency-Key is used."""
        self.require_permit()
        mail = read_mail(self.project, read_object(request))
        self.prepare(Mail(bodies=mail.bodies, attachments=(), batch_id=None))
        return Response(status=HTTPStatus.OK)

    def prepare(self, mail: Mail) -> PreparedBatch:
        items: Sequence[Any] = mail.bodies
        return prepare_batch(self.key, items, is_permissive=False, read=mail.read, limit=MAX_PERSONALIZATIONS)
