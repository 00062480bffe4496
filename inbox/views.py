"""The inbox's JSON, its downloads, and its page."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt

from common.errors import ApiError, MethodNotAllowedError, NotFoundError
from common.problems import problem_response, to_api_error
from delivery.html.defuse import FRAME_HEADERS
from inbox.frames import build_policy, prepare_html
from inbox.guard import CrossSiteError, is_own_page, local_only
from inbox.mime import read_content
from inbox.models import Mail
from inbox.queries import parse_filter, parse_query, refuse_unknown
from inbox.serializers import show_mail, show_row
from inbox.services import delete_mail, select_mail
from inbox.waiting import open_stream, wait_for_mail

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Attachments are downloads. If a browser shows one anyway, it runs and fetches nothing.
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
Handler = Callable[..., HttpResponseBase]


def route(is_welcome: Callable[[HttpRequest], bool] = is_own_page, **handlers: Handler) -> Handler:
    """A view that passes each method to its handler, behind the guards, and returns every error as JSON."""

    @csrf_exempt  # `is_welcome` replaces the CSRF token, which a test's HTTP client would not have
    @local_only
    def view(request: HttpRequest, /, **kwargs: Any) -> HttpResponseBase:
        if not is_welcome(request):
            return problem_response(CrossSiteError(), request)
        handler = handlers.get("GET" if request.method == "HEAD" else request.method or "")
        if handler is None:
            headers = {"Allow": ", ".join(handlers)}
            return problem_response(MethodNotAllowedError(method=request.method, headers=headers), request)
        return call_handler(handler, request, kwargs)

    return view


def call_handler(handler: Handler, request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponseBase:
    try:
        return handler(request, **kwargs)
    except (ApiError, OperationalError, InterfaceError) as error:
        return problem_response(to_api_error(error), request)


def list_messages(request: HttpRequest) -> HttpResponse:
    query = parse_query(request.GET)
    found = query.look()
    if not found and query.wait:
        found = wait_for_mail(query.look, query.wanted.concerns, query.wait)
    rows = found[: query.limit]
    has_more = len(found) > query.limit
    last = str(rows[-1].pk) if has_more else None
    return json_response({"data": [show_row(mail) for mail in rows], "has_more": has_more, "next": last})


def delete_messages(request: HttpRequest) -> HttpResponse:
    refuse_unknown(request.GET, {"to", "q"})
    delete_mail(select_mail(parse_filter(request.GET)))
    return HttpResponse(status=204)


def show_message(_: HttpRequest, mail_id: str) -> HttpResponse:
    return json_response(show_mail(get_mail(mail_id)))


def delete_message(_: HttpRequest, mail_id: str) -> HttpResponse:
    if not delete_mail(Mail.objects.filter(pk=parse_id(mail_id))):
        raise NotFoundError
    return HttpResponse(status=204)


def show_raw(_: HttpRequest, mail_id: str) -> HttpResponse:
    mail = get_mail(mail_id)
    return file_response(bytes(mail.raw), "message/rfc822", f"{mail.pk}.eml")


def show_html(request: HttpRequest, mail_id: str) -> HttpResponse:
    content = read_content(bytes(get_mail(mail_id).raw))
    if not content.html:
        raise NotFoundError
    attachments_url = request.build_absolute_uri(request.path.rstrip("/").removesuffix("html") + "attachments")
    headers = {**FRAME_HEADERS, "Content-Security-Policy": build_policy(attachments_url)}
    page = prepare_html(content, attachments_url)
    return finish_response(HttpResponse(page, content_type="text/html; charset=utf-8", headers=headers))


def show_attachment(_: HttpRequest, mail_id: str, index: int) -> HttpResponse:
    attachments = read_content(bytes(get_mail(mail_id).raw)).attachments
    if index >= len(attachments):
        raise NotFoundError
    part = attachments[index]
    response = file_response(part.decode(), part.media_type, part.filename or f"part-{index}")
    # To the browser, the sandboxed frame's inline images come from another origin.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def stream_mail(_: HttpRequest) -> HttpResponseBase:
    return open_stream()


@local_only
def show_page(request: HttpRequest) -> HttpResponse:
    """The page. It needs no cookie and no token: all its actions use the JSON API."""
    smtp = urlsplit(settings.PROVIDER_URL)
    smtp_address = smtp.netloc.rpartition("@")[2] if smtp.scheme == "inbox" else ""
    response = render(request, "inbox/page.html", {"smtp_address": smtp_address})
    response["Content-Security-Policy"] = PAGE_POLICY
    return finish_response(response)


def parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError from None


def get_mail(mail_id: str) -> Mail:
    mail = Mail.objects.filter(pk=parse_id(mail_id)).first()
    if mail is None:
        raise NotFoundError
    return mail


def json_response(document: object) -> HttpResponse:
    return finish_response(HttpResponse(json.dumps(document), content_type="application/json"))


def file_response(data: bytes, content_type: str, filename: str) -> HttpResponse:
    """A download: never displayed, whatever its content type."""
    response = HttpResponse(data, content_type=content_type)
    response["Content-Disposition"] = str(content_disposition_header(as_attachment=True, filename=filename))
    response["Content-Security-Policy"] = FILE_POLICY
    return finish_response(response)


def finish_response(response: HttpResponse) -> HttpResponse:
    """Headers of every response: no caching, no reads by other sites, no content sniffing."""
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return response
