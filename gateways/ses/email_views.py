"""SES's calls that send: each view rewrites the request, calls the service of `/api/v1` and shows the result."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework.request import Request

from accounts import scopes
from accounts.idempotency import StoredResponse
from common.errors import FieldError
from common.parsers import read_object
from gateways.mime.mail_keys import use_mail_key
from gateways.ses.errors import show_entry
from gateways.ses.raw import is_raw, read_raw_email
from gateways.ses.requests import read_email, split_bulk
from gateways.ses.viewsets import SesViewSet
from messages import services
from messages.accepting.admission import Admission
from messages.accepting.draft import Draft
from messages.api.accepting_views import Accepted, accepting, count_one
from messages.api.batch import prepare_batch
from messages.models import Message

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendBulkEmail.html
MAX_BULK = 50


def count_entries(request: Request) -> int:
    """The number of emails of a bulk request."""
    entries = request.data.get("BulkEmailEntries") if isinstance(request.data, dict) else None
    return min(len(entries), MAX_BULK + 1) if isinstance(entries, list) else 0


class EmailViewSet(SesViewSet):
    """`SendEmail`."""

    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_one}

    @accepting
    def create(self, request: Request) -> Accepted:
        """Accept one email. The response follows the commit that stored it."""
        draft, errors = self.read(request, read_object(request))
        prepared = services.upload_and_prepare(self.key, [Admission(self.key).admit(draft, errors)])
        return prepared, lambda messages: StoredResponse(status=HTTPStatus.OK, body={"MessageId": str(messages[0].pk)})

    def read(self, request: Request, data: Mapping[str, Any]) -> tuple[Draft, Sequence[FieldError]]:
        """The draft of an email or of a whole mail, without its invalid fields, and the errors of those."""
        if not is_raw(data):
            return read_email(data)
        mail = read_raw_email(data)
        use_mail_key(self, request, mail)
        return mail.draft, mail.errors


class BulkViewSet(SesViewSet):
    """`SendBulkEmail`: each email is accepted or refused by itself."""

    scopes: ClassVar = {"create": scopes.EMAILS_SEND}
    unaudited: ClassVar = frozenset({"create"})
    metered: ClassVar = {"create": count_entries}

    @accepting
    def create(self, request: Request) -> Accepted:
        """Accept the valid emails in one transaction."""
        items = split_bulk(read_object(request))
        batch = prepare_batch(self.key, items, is_permissive=True, may_be_empty=True, read=read_email, limit=MAX_BULK)

        def respond(messages: Sequence[Message]) -> StoredResponse:
            shown = {item.index: show_entry(item.error) for item in batch.refused}
            for index, message in zip(batch.indexes, messages, strict=True):
                shown[index] = {"Status": "SUCCESS", "MessageId": str(message.pk)}
            results = [shown[index] for index in range(len(items))]
            return StoredResponse(status=HTTPStatus.OK, body={"BulkEmailEntryResults": results})

        return batch.prepared, respond
