"""Mailgun's messages API: rewrites the form, calls the service of `/api/v1` and shows the result."""

from collections.abc import Sequence
from copy import copy
from functools import partial
from http import HTTPStatus
from typing import ClassVar

from rest_framework.request import Request

from accounts import scopes
from accounts.idempotency import StoredResponse
from accounts.models import ApiKey, Project
from domains.services import read_domain
from gateways.compat.forms import Form, FormParser, read_form
from gateways.mailgun.errors import DomainNotFoundError
from gateways.mailgun.recipient_variables import MAX_MESSAGES, count_messages, is_batch, split_form
from gateways.mailgun.requests import is_test, read_email, read_files
from gateways.mailgun.viewsets import MailgunViewSet
from messages import services
from messages.accepting.admission import Admission
from messages.api.accepting_views import Accepted, accepting
from messages.api.attachment_fields import limit_body
from messages.api.batch import prepare_batch
from messages.models import Message

QUEUED = "Queued. Thank you."


class MessageViewSet(MailgunViewSet):
    """`/v3/{domain}/messages`: one email, or with recipient variables one for each recipient."""

    max_body = limit_body()
    parser_classes = (FormParser,)
    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": lambda request: count_messages(read_form(request))}

    @accepting
    def create(self, request: Request, domain: str) -> Accepted:
        """Accept the email, or all of them in one transaction. The response follows the commit that stored them."""
        form = read_form(request)
        check_domain(self.project, domain, form)
        key = choose_key(self.key, form)
        return prepare(key, form), respond


def prepare(key: ApiKey, form: Form) -> services.PreparedEmails:
    if not is_batch(form):
        return services.upload_and_prepare(key, [Admission(key).admit(*read_email(form))])
    items, files = split_form(form), read_files(form)
    read = partial(read_email, files=files)
    return prepare_batch(key, items, is_permissive=False, read=read, limit=MAX_MESSAGES).prepared


def respond(messages: Sequence[Message]) -> StoredResponse:
    """Mailgun's answer has one id; of several emails it is the first one's, and `ids` has all of them."""
    ids = [message.message_id for message in messages]
    body = {"id": ids[0], "message": QUEUED}
    return StoredResponse(status=HTTPStatus.OK, body=body if len(ids) == 1 else {**body, "ids": ids})


def check_domain(project: Project, name: str, form: Form) -> None:
    """The path must name the sender's domain or one of the project. Raises DomainNotFoundError."""
    lower = name.lower()
    senders = [value.lower().rstrip(" >") for value in form.get("from", ()) if isinstance(value, str)]
    if not any(sender.endswith(f"@{lower}") for sender in senders) and read_domain(project, "name", lower) is None:
        raise DomainNotFoundError(name=name[:255])


def choose_key(key: ApiKey, form: Form) -> ApiKey:
    """The key, or in Mailgun's test mode the same as a test key, whose mail is accepted and reaches nobody."""
    if key.is_test or not is_test(form):
        return key
    tester = copy(key)
    tester.is_test = True
    return tester
