"""The views for recipients: the pixel, the wrapped links and the unsubscribe page. Tokens replace a login.

A forged token and the token of a deleted message get the same response: 404 for a link, the pixel for an open. A
redirect goes only to a URL that was stored at accept.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.template import loader
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from common.client_ip import client_ip
from domains.published_records import may_have_certificate
from domains.tracking_probe import answer_probe
from tracking.engagement.opt_outs import (
    MailedRecipient,
    OptOut,
    find_mailed_recipient,
    find_opt_out,
    find_stop,
    resubscribe,
    unsubscribe,
)
from tracking.engagement.recording import find_kept_url, find_tracked_recipient, record_click, record_open
from tracking.engagement.redirects import write_location
from tracking.engagement.tokens import TokenPurpose, read_token
from tracking.engagement.visits import Visitor
from tracking.models import SuppressionReason, SuppressionWay
from tracking.suppressions.reach import Cause

log = structlog.get_logger(__name__)

# Proxies refuse longer headers, most of them beyond 4 or 8 KiB. Such a target is in a page that leads on by itself.
MAX_LOCATION = 3_000
MAX_HOST = 300
# The smallest transparent GIF.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NEVER_STORED = {"Cache-Control": "no-store, no-cache, must-revalidate, private", "Pragma": "no-cache", "Expires": "0"}
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src 'none'"
)


View = Callable[[HttpRequest, str], HttpResponse]


def excuse_absence(view: View) -> View:
    """Respond with 503 and a page while the database is unavailable; mailbox providers then retry (RFC 8058)."""

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
    """A response that records a visit after it was sent, so that the visitor does not wait for the database.

    A visit that cannot be recorded is lost, with an entry in the log: a short outage of the database must not stop a
    person or show a broken image.
    """

    def __init__(self, *args: Any, record: Callable[[], None] | None = None, **others: Any) -> None:
        super().__init__(*args, headers=NEVER_STORED, **others)
        self._record = record

    def close(self) -> None:
        """Record the visit. The server calls this after sending the response; only the first call records."""
        record, self._record = self._record, None
        try:
            if record:
                record()
        except Error as error:
            log.warning("visit_not_recorded", error=type(error).__name__)
        finally:
            super().close()


@csrf_exempt  # wrong methods are 405, not a failed CSRF check; nothing here depends on a cookie
@require_http_methods(["GET", "HEAD"])
def open_pixel(request: HttpRequest, text: str) -> HttpResponse:
    """Respond with the pixel, uncached, for any token. A valid token records an open."""
    token, client = read_token(text, TokenPurpose.OPEN), visitor_of(request)

    def record() -> None:
        subject = find_tracked_recipient(token) if token else None
        if subject:
            record_open(subject, client)

    return RespondThenRecord(PIXEL, content_type="image/gif", record=record)


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
@excuse_absence
def follow_link(request: HttpRequest, text: str) -> HttpResponse:
    """Redirect (302) to the link's stored target. 404 for an invalid token.

    The links of deleted mail lead on, and nothing is recorded.
    """
    token = read_token(text, TokenPurpose.CLICK)
    if token is None:
        return gone_response(request)
    subject = find_tracked_recipient(token)
    url = (subject.url if subject else find_kept_url(token)) or ""
    if not url.lower().startswith(("http://", "https://")):
        return gone_response(request)
    record = partial(record_click, subject, visitor_of(request), token) if subject else None
    location = write_location(url)
    if len(location) > MAX_LOCATION:
        page = loader.render_to_string("tracking/redirect.html", {"url": location}, request)
        response = RespondThenRecord(page, record=record)
    else:
        response = RespondThenRecord(status=HTTPStatus.FOUND, record=record)
        response.headers["Location"] = location
    # Keeps the token from the target site.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@csrf_exempt  # RFC 8058: the mailbox provider posts without cookies; the token authenticates the request
@require_http_methods(["GET", "HEAD", "POST"])
@excuse_absence
def unsubscribe_page(request: HttpRequest, text: str) -> HttpResponse:
    """GET asks, POST acts (RFC 8058): a program that follows links must not unsubscribe a person."""
    token = read_token(text, TokenPurpose.UNSUBSCRIBE)
    mailed = find_mailed_recipient(token.recipient_id) if token else None
    if mailed is None:
        return gone_response(request)
    if request.method != "POST":
        return consent_response(request, mailed, find_opt_out(mailed))
    choice = read_choice(request)
    act = CHOICES.get(choice)
    if act is None:
        return consent_response(request, mailed, find_opt_out(mailed), status=HTTPStatus.BAD_REQUEST)
    return consent_response(request, mailed, act(mailed, visitor_of(request)), has_acted=True)


def read_choice(request: HttpRequest) -> str:
    """The button of the page that was pressed; empty for a mail program's request, which names none.

    A body that cannot be read is such a request too: nobody must stay subscribed because of their program.
    """
    try:
        return request.POST.get("choice", "")
    except (BadRequest, SuspiciousOperation, MultiPartParserError):
        return ""


def opt_out(
    mailed: MailedRecipient, visitor: Visitor, *, way: SuppressionWay, is_for_all: bool = False
) -> Cause | None:
    unsubscribe(mailed, OptOut(way=way, is_for_all=is_for_all, ip=visitor.ip or None, user_agent=visitor.user_agent))
    # Not read again: simulated mail leaves no entry.
    return Cause(SuppressionReason.UNSUBSCRIBE, None if is_for_all else mailed.stream)


def come_back(mailed: MailedRecipient, visitor: Visitor) -> Cause | None:
    resubscribe(mailed, visitor.ip or None)
    return None


# The actions by the button's name; the nameless one is one-click, which stays within its stream. Each returns the
# opt-out that holds afterwards.
CHOICES: Mapping[str, Callable[[MailedRecipient, Visitor], Cause | None]] = {
    "": partial(opt_out, way=SuppressionWay.ONE_CLICK),
    "stream": partial(opt_out, way=SuppressionWay.PAGE),
    "all": partial(opt_out, way=SuppressionWay.PAGE, is_for_all=True),
    "back": come_back,
}


def consent_response(
    request: HttpRequest,
    mailed: MailedRecipient,
    present: Cause | None,
    *,
    has_acted: bool = False,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    """The unsubscribe page; `present` is the opt-out that holds now."""
    context = {
        "mailed": mailed,
        "is_out": present is not None,
        "is_out_of_all": present is not None and present.stream is None,
        "has_come_back": has_acted and present is None,
        "is_stopped": has_acted and present is None and find_stop(mailed) is not None,
    }
    return finish_page(render(request, "tracking/unsubscribe.html", context, status=status))


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
def answer_host_probe(_request: HttpRequest, token: str) -> HttpResponse:
    """Prove to our own probe that a host leads to this service. 404 for a token that is not ours."""
    answer = answer_probe(token)
    status = HTTPStatus.OK if answer else HTTPStatus.NOT_FOUND
    return HttpResponse(answer or "", status=status, content_type="text/plain", headers=NEVER_STORED)


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
def answer_certificate_question(request: HttpRequest) -> HttpResponse:
    """Say whether a proxy may get a certificate for `?domain=HOST` (on-demand TLS): 200, 404, or 503 for now."""
    try:
        is_ours = may_have_certificate(request.GET.get("domain", "")[:MAX_HOST])
    except (OperationalError, InterfaceError):
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "10"})
    return HttpResponse(status=HTTPStatus.OK if is_ours else HTTPStatus.NOT_FOUND, headers=NEVER_STORED)


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
