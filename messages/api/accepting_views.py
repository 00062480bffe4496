"""`@accepting`: a view that accepts emails, repeatable with an Idempotency-Key, in one round trip to the database."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import msgspec
from django.http import HttpResponse, HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounts.idempotency import StoredResponse, find_response, store_once
from accounts.idempotent_views import list_headers, mark_idempotent, read_ticket
from accounts.viewsets import ProjectView
from common.errors import ApiError
from common.middleware import set_plain
from common.parsers import load_body
from messages.accepting.persistence import Respond
from messages.models import Message
from messages.services import PreparedEmails

# Where the request's META has the ids of the emails that it made, for what is recorded of it afterwards.
EMAIL_IDS = "emailsvc.email_ids"
Accepted = tuple[PreparedEmails, Respond]


def accepting(view: Callable[..., Accepted]) -> Callable[..., HttpResponseBase]:
    """A view that prepares emails, and returns them with the function that makes the response.

    The idempotency key is looked up by the statement that stores the emails. A request that is refused before is looked
    up too: what was valid when it was accepted may be invalid by now, and gets its answer again.
    """

    @wraps(view)
    def run(self: ProjectView, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        self.ticket = read_ticket(self, request)
        made: list[str] = []
        try:
            self.require_permit()
            prepared, respond = view(self, request, *args, **kwargs)
        except (ApiError, ValidationError):
            stored = find_response(self.ticket)
            if stored is None:
                raise
        else:
            stored = store_once(
                self.ticket, lambda ticket: prepared.store_and_respond(respond_noting(made, respond), ticket)
            )
            if self.permit is not None:
                self.permit.settle(len(prepared.admitted))
        request.META[EMAIL_IDS] = made
        return write_response(stored)

    return mark_idempotent(run)


def respond_noting(made: list[str], respond: Respond) -> Respond:
    """As `respond`; `made` gets the ids of the emails."""

    def note(messages: Sequence[Message]) -> StoredResponse:
        made[:] = [str(message.id) for message in messages]
        return respond(messages)

    return note


def write_response(stored: StoredResponse) -> HttpResponse:
    """The response, without DRF's negotiation and rendering."""
    content = b"" if stored.body is None else msgspec.json.encode(stored.body)
    response = HttpResponse(content, status=stored.status, content_type="application/json")
    set_plain(response, list_headers(stored))
    return response


def count_one(_request: Request) -> int:
    """The number of emails of a request with one."""
    return 1


def count_items(request: Request) -> int:
    """The number of emails of a batch."""
    data = load_body(request)
    return len(data) if isinstance(data, list) else 0
