"""`@idempotent` makes a POST repeatable with an Idempotency-Key; `@recorded` writes a change with its audit entry."""

from collections.abc import Callable, Generator, Mapping
from functools import wraps
from typing import Any, TypeVar

from django.db import transaction
from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import (
    StoredResponse,
    Ticket,
    find_response,
    fingerprint,
    read_key,
    run_leased,
    run_once,
)
from accounts.viewsets import ApiView
from common.parsers import read_payload

TwoPhases = Callable[..., Generator[None, None, Response]]
View = Callable[..., HttpResponseBase]
Function = TypeVar("Function", bound=Callable[..., Any])
# Headers that are stored with the response. All others belong to the single request.
KEPT_HEADERS = ("Location",)


def idempotent(view: TwoPhases) -> View:
    """A view in two phases, separated by one `yield`, that runs once for each Idempotency-Key.

    The code before the `yield` (parse, check, render, upload, query the DNS) runs outside of transactions. The code
    after it writes rows, in one transaction with the key's row, and returns the response; it may not use the network.
    """

    @wraps(view)
    def run(self: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
        ticket = read_ticket(self, request)
        stored = find_response(ticket)
        if stored is None:
            self.require_permit()
            phases = view(self, request, *args, **kwargs)
            next(phases)
            stored = run_once(ticket, lambda: keep(self, finish(phases), view))
        return as_response(stored)

    return mark_idempotent(run)


def recorded(view: TwoPhases) -> View:
    """A view in two phases, as of `idempotent`, for a change that takes no Idempotency-Key: PUT, PATCH, DELETE, and
    calls of other services' APIs.

    The second phase and the entry of the audit log are one transaction: a crash leaves both or neither.
    """

    @wraps(view)
    def run(self: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
        phases = view(self, request, *args, **kwargs)
        next(phases)
        with transaction.atomic():
            response = finish(phases)
            self.record_change(response)
        return response

    run.is_recorded = True  # type: ignore[attr-defined]  # for the test that no change lacks it
    return run


def idempotent_over_network(view: Callable[..., Response]) -> View:
    """A view that talks to the network, run once for each Idempotency-Key: the key is committed first, under a lease.

    Its work must be safe to repeat: it is repeated if the process dies between the work and the response.
    """

    @wraps(view)
    def run(self: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
        ticket = read_ticket(self, request)
        stored = find_response(ticket)
        if stored is None:
            stored = run_leased(ticket, lambda: keep(self, view(self, request, *args, **kwargs), view))
        return as_response(stored)

    return mark_idempotent(run)


def holds_secret(view: Function) -> Function:
    """Marks a view whose response contains a secret: the stored response is encrypted. Goes below `@idempotent`."""
    view.holds_secret = True  # type: ignore[attr-defined]
    return view


def mark_idempotent(view: View) -> View:
    view.is_idempotent = True  # type: ignore[attr-defined]  # for the OpenAPI document
    return view


def finish(phases: Generator[None, None, Response]) -> Response:
    """Run the second phase."""
    try:
        next(phases)
    except StopIteration as end:
        response: Response = end.value
        return response
    raise RuntimeError("a view in two phases needs exactly one yield")


def keep(api_view: ApiView, response: Response, view: Callable[..., Any]) -> StoredResponse:
    """The response as it is stored. The audit log's entry belongs to the same transaction."""
    api_view.record_change(response)
    return StoredResponse(
        status=response.status_code,
        body=response.data,
        headers={name: response[name] for name in KEPT_HEADERS if name in response},
        is_secret=getattr(view, "holds_secret", False),
    )


def as_response(stored: StoredResponse) -> Response:
    return Response(stored.body, status=stored.status, headers=list_headers(stored))


def list_headers(stored: StoredResponse) -> Mapping[str, str]:
    """The headers of the response."""
    return {**stored.headers, "Idempotency-Replayed": "true"} if stored.is_replayed else stored.headers


def read_ticket(view: ApiView, request: Request) -> Ticket | None:
    """The request's idempotency key and fingerprint; None if the client sent no key."""
    key = read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
    if not key:
        return None
    query = request.META.get("QUERY_STRING", "")
    path = request.path.rstrip("/") + (f"?{query}" if query else "")
    return Ticket(
        project_id=view.owner_id,
        key=key,
        is_test=view.key.is_test,
        fingerprint=fingerprint(request.method or "", path, read_payload(request)),
    )
