"""What recipients reach: the pixel, the wrapped links and the unsubscribe page. No login, and nothing to guess.

A token that is not ours answers like one whose message is gone: 404 for a link, the same pixel for an open. Nothing
here redirects to anything but what was stored at accept.
"""

from base64 import b64decode
from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import structlog
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from common.client_ip import client_ip
from tracking.engagement.recording import Visitor, find_tracked_recipient, record_click, record_open, unsubscribe
from tracking.engagement.redirects import write_location
from tracking.engagement.tokens import TokenPurpose, read_token

log = structlog.get_logger(__name__)

# The smallest transparent GIF.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NEVER_STORED = {"Cache-Control": "no-store, no-cache, must-revalidate, private", "Pragma": "no-cache", "Expires": "0"}
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src 'none'"
)


View = Callable[[HttpRequest, str], HttpResponse]


def excuse_absence(view: View) -> View:
    """503 and a page in plain words while the database is away; mailbox providers then post again (RFC 8058)."""

    @wraps(view)
    def answer(request: HttpRequest, text: str) -> HttpResponse:
        try:
            return view(request, text)
        except (OperationalError, InterfaceError) as error:
            log.warning("visit_not_answered", error=type(error).__name__)
            response = render(request, "tracking/away.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = "10"
            return finish_page(response)

    return answer


class RespondThenRecord(HttpResponse):
    """A response after which a visit is written down: whoever asked has it by then, and need not wait for our disk.

    What cannot be written is logged and lost: people want to get on, and a mail must not show a broken picture because
    the database is away for a moment.
    """

    def __init__(self, *args: Any, record: Callable[[], None] | None = None, **others: Any) -> None:
        super().__init__(*args, headers=NEVER_STORED, **others)
        self._record = record

    def close(self) -> None:
        """Called by the server when all is sent; only the first call records."""
        record, self._record = self._record, None
        try:
            if record:
                record()
        except Error as error:
            log.warning("visit_not_recorded", error=type(error).__name__)
        finally:
            super().close()


@require_http_methods(["GET", "HEAD"])
def open_pixel(request: HttpRequest, text: str) -> HttpResponse:
    """Always the pixel, never cached; an open is logged when the token is ours."""
    token, client = read_token(text, TokenPurpose.OPEN), visitor_of(request)

    def record() -> None:
        subject = find_tracked_recipient(token) if token else None
        if subject:
            record_open(subject, client)

    return RespondThenRecord(PIXEL, content_type="image/gif", record=record)


@require_http_methods(["GET", "HEAD"])
@excuse_absence
def follow_link(request: HttpRequest, text: str) -> HttpResponse:
    """302 to the link's target, which is looked up; 404 for a token that is not ours."""
    token = read_token(text, TokenPurpose.CLICK)
    subject = find_tracked_recipient(token) if token else None
    if token is None or subject is None or not (subject.url or "").lower().startswith(("http://", "https://")):
        return gone_response(request)
    record = partial(record_click, subject, visitor_of(request), token)
    response = RespondThenRecord(status=HTTPStatus.FOUND, record=record)
    response.headers["Location"] = write_location(subject.url or "")
    # The target need not learn the token.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@csrf_exempt  # RFC 8058: the mailbox provider posts without cookies; the token is the proof
@require_http_methods(["GET", "HEAD", "POST"])
@excuse_absence
def unsubscribe_page(request: HttpRequest, text: str) -> HttpResponse:
    """GET asks, POST acts (RFC 8058): programs that follow links must not unsubscribe anybody."""
    token = read_token(text, TokenPurpose.UNSUBSCRIBE)
    subject = find_tracked_recipient(token) if token else None
    if subject is None:
        return gone_response(request)
    is_done = request.method == "POST"
    if is_done:
        unsubscribe(subject, visitor_of(request))
    context = {"project": subject.project_name, "address": subject.address, "is_done": is_done}
    return finish_page(render(request, "tracking/unsubscribe.html", context))


def gone_response(request: HttpRequest) -> HttpResponse:
    return finish_page(render(request, "tracking/gone.html", status=HTTPStatus.NOT_FOUND))


def finish_page(response: HttpResponse) -> HttpResponse:
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    for name, value in NEVER_STORED.items():
        response.headers[name] = value
    return response


def visitor_of(request: HttpRequest) -> Visitor:
    ip = client_ip(request.META)
    return Visitor(
        method=request.method or "",
        user_agent=request.headers.get("User-Agent", ""),
        ip=str(ip) if ip else "",
        purpose=" ".join(request.headers.get(name, "") for name in ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")),
    )
