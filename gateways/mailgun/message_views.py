"""Mailgun's messages API: rewrites the form, calls the service of `/api/v1` and shows the result."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import ClassVar

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.idempotency import StoredResponse
from accounts.models import ApiKey, Project
from common.errors import InvalidFieldsError
from common.ids import new_id
from domains.services import read_domain
from gateways.compat.forms import Form, FormParser, read_form
from gateways.mailgun.errors import DomainNotFoundError
from gateways.mailgun.mime_messages import read_mime_email
from gateways.mailgun.recipient_variables import MAX_MESSAGES, count_messages, is_batch, split_form
from gateways.mailgun.requests import is_test, read_email, read_files
from gateways.mailgun.viewsets import MailgunViewSet
from gateways.mime.mail_keys import use_mail_key
from messages.accepting.admission import Admission, Admitted
from messages.api.accepting_views import Accepted, accepting
from messages.api.attachment_fields import limit_body
from messages.api.batch import admit_batch
from messages.services import upload_and_prepare

QUEUED = "Queued. Thank you."


def is_check(request: Request) -> bool:
    """Whether the form asks for test mode: its messages are checked, and not sent."""
    try:
        return is_test(read_form(request))
    except InvalidFieldsError:
        # Told with all other errors.
        return False


def count_wanted(request: Request) -> int:
    """The number of emails that a form asks to send."""
    return 0 if is_check(request) else count_messages(read_form(request))


class MessageViewSet(MailgunViewSet):
    """`/v3/{domain}/messages`: one email, or with recipient variables one for each recipient."""

    max_body = limit_body()
    parser_classes = (FormParser,)
    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_wanted}

    def create(self, request: Request, domain: str) -> HttpResponseBase:
        """Accept the emails in one transaction, or in test mode only check them."""
        return self.check(request, domain) if is_check(request) else self.accept(request, domain)

    @accepting
    def accept(self, request: Request, domain: str) -> Accepted:
        """The response follows the commit that stored the emails."""
        prepared = upload_and_prepare(self.key, self.admit(request, domain))
        return prepared, lambda messages: StoredResponse(
            status=HTTPStatus.OK, body=show_queued([message.message_id for message in messages])
        )

    def check(self, request: Request, domain: str) -> Response:
        """The same answer for emails that would be accepted. Nothing is stored, and no Idempotency-Key is used."""
        self.require_permit()
        admitted = self.admit(request, domain)
        return Response(show_queued([f"<{new_id()}@{item.sender.domain}>" for item in admitted]))

    def admit(self, request: Request, domain: str) -> Sequence[Admitted]:
        """The emails of the form. Raises the errors of `Admission.admit`, or DomainNotFoundError."""
        form = read_form(request)
        check_domain(self.project, domain, [value for value in form.get("from", ()) if isinstance(value, str)])
        return admit_form(self.key, form)


class MimeViewSet(MessageViewSet):
    """`/v3/{domain}/messages.mime`: one mail that is composed already."""

    def admit(self, request: Request, domain: str) -> Sequence[Admitted]:
        mail = read_mime_email(read_form(request))
        sender = mail.draft.from_
        # A mail whose sender cannot be read is told so.
        if sender or not mail.errors:
            check_domain(self.project, domain, [sender.address] if sender else [])
        use_mail_key(self, request, mail)
        return [Admission(self.key).admit(mail.draft, mail.errors)]


def admit_form(key: ApiKey, form: Form) -> Sequence[Admitted]:
    if not is_batch(form):
        return [Admission(key).admit(*read_email(form))]
    items, files = split_form(form), read_files(form)
    read = partial(read_email, files=files)
    return admit_batch(key, items, is_permissive=False, read=read, limit=MAX_MESSAGES).admitted


def show_queued(ids: Sequence[str]) -> dict[str, object]:
    """Mailgun's answer has one id; of several emails it is the first one's, and `ids` has all of them."""
    body: dict[str, object] = {"id": ids[0], "message": QUEUED}
    return body if len(ids) == 1 else {**body, "ids": list(ids)}


def check_domain(project: Project, name: str, senders: Sequence[str]) -> None:
    """The path must name the domain of the sender or one of the project. Raises DomainNotFoundError."""
    lower = name.lower()
    found = (sender.lower().rstrip(" >") for sender in senders)
    if not any(sender.endswith(f"@{lower}") for sender in found) and read_domain(project, "name", lower) is None:
        raise DomainNotFoundError(name=name[:255])
