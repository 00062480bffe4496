"""The way of API requests past Django's middleware for pages: they have no session, no login, no cookie and no form.

Django runs the middleware of settings.MIDDLEWARE one within the other. What stands between `ApiShortcut` and `PagesEnd`
is for pages only. The security headers of pages are those of APIs too.
"""

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from common.middleware import set_plain
from common.problems import wants_problems

GetResponse = Callable[[HttpRequest], HttpResponseBase]
Header = tuple[str, str]


class PagesEnd:
    """The last middleware of pages; what it hands a request to is what API requests are handed to."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        _newest.end = self

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class _Newest(threading.local):
    end: PagesEnd


_newest = _Newest()


class ApiShortcut:
    """Hands requests below API paths to the end of the middleware for pages.

    Django makes the middleware of a handler one after the other, the inner first: this thread's newest end is ours.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._for_pages = get_response
        self._for_apis = _newest.end.get_response
        self._headers = {is_secure: dict(list_page_headers(is_secure=is_secure)) for is_secure in (False, True)}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not wants_problems(request):
            return self._for_pages(request)
        response = self._for_apis(request)
        headers: Any = response.headers
        # The view's own headers win. One dictionary, since each header takes as long as a field of the email.
        headers._store = {**self._headers[request.is_secure()], **headers._store}
        if isinstance(response, HttpResponse) and "content-length" not in headers._store:
            set_plain(response, {"Content-Length": str(len(response.content))})
        # The server reads them at the end. The mapping's own `items` looks for each header by its name.
        response.items = headers._store.values  # type: ignore[method-assign]
        return response


def list_page_headers(*, is_secure: bool) -> Iterator[tuple[str, Header]]:
    """The headers that Django's middleware gives a plain response, as it keeps them: by their names in lower case."""
    scheme = "https" if is_secure else "http"
    request = WSGIRequest({"REQUEST_METHOD": "GET", "wsgi.input": BytesIO(), "wsgi.url_scheme": scheme})
    response = HttpResponse()
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _: response).process_response(request, response)
    del response["Content-Type"]
    return ((name.lower(), (name, value)) for name, value in response.items())
