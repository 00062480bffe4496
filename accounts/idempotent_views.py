"""`@idempotent`: what a POST does under an Idempotency-Key."""

from collections.abc import Callable, Generator, Mapping
from functools import wraps
from typing import Any, TypeVar

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
from accounts.viewsets import ProjectView
from common.parsers import read_payload

TwoPhases = Callable[..., Generator[None, None, Response]]
View = Callable[..., Response]
Function = TypeVar("Function", bound=Callable[..., Any])
# Headers that are part of an answer. All others are of the request that is answered.
KEPT_HEADERS = ("Location",)


def idempotent(view: TwoPhases) -> View:
    """A view in two phases, with one `yield` between them, that is run once for each Idempotency-Key.

    What stands before the `yield` (parse, check, render, upload, ask the DNS) runs outside of transactions. What stands
    after it writes rows, in one transaction with the key's, and returns the answer: no network there.
    """

    @wraps(view)
    def run(self: ProjectView, request: Request, *args: Any, **kwargs: Any) -> Response:
        ticket = read_ticket(self, request)
        stored = find_response(ticket)
        if stored is None:
            phases = view(self, request, *args, **kwargs)
            next(phases)
            stored = run_once(ticket, lambda: keep(finish(phases), view))
        return as_response(stored)

    return mark_idempotent(run)


def idempotent_over_network(view: View) -> View:
    """A view that talks to the network, run once for each Idempotency-Key: the key is committed first, under a lease.

    What it does must bear being done again: a process that dies between its work and its answer does so.
    """

    @wraps(view)
    def run(self: ProjectView, request: Request, *args: Any, **kwargs: Any) -> Response:
        ticket = read_ticket(self, request)
        stored = find_response(ticket)
        if stored is None:
            stored = run_leased(ticket, lambda: keep(view(self, request, *args, **kwargs), view))
        return as_response(stored)

    return mark_idempotent(run)


def holds_secret(view: Function) -> Function:
    """Marks a view whose answer shows a secret: stored answers are encrypted then. Stands below `@idempotent`."""
    view.holds_secret = True  # type: ignore[attr-defined]
    return view


def mark_idempotent(view: View) -> View:
    view.is_idempotent = True  # type: ignore[attr-defined]  # for the OpenAPI document
    return view


def finish(phases: Generator[None, None, Response]) -> Response:
    """The second phase."""
    try:
        next(phases)
    except StopIteration as end:
        response: Response = end.value
        return response
    raise RuntimeError("an idempotent view has two phases: one yield")


def keep(response: Response, view: Callable[..., Any]) -> StoredResponse:
    return StoredResponse(
        status=response.status_code,
        body=response.data,
        headers={name: response[name] for name in KEPT_HEADERS if name in response},
        is_secret=getattr(view, "holds_secret", False),
    )


def as_response(stored: StoredResponse) -> Response:
    replayed: Mapping[str, str] = {"Idempotency-Replayed": "true"} if stored.is_replayed else {}
    return Response(stored.body, status=stored.status, headers={**stored.headers, **replayed})


def read_ticket(view: ProjectView, request: Request) -> Ticket | None:
    """The request's idempotency key with what it is used for; None when the client sent none."""
    key = read_key(request.headers.get("Idempotency-Key"))
    if not key:
        return None
    query = request.META.get("QUERY_STRING", "")
    path = request.path.rstrip("/") + (f"?{query}" if query else "")
    return Ticket(
        project_id=view.key.project_id,
        key=key,
        fingerprint=fingerprint(request.method or "", path, read_payload(request)),
    )
