"""Access to the inbox: only from this machine, and from no other site's pages in its browser.

The inbox has no login. So a request must come from loopback, and not through a proxy that reports another client; its
Host must be one of ours, which defeats DNS rebinding; and a browser must not send it on behalf of another site.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase

from common.client_ip import parse_ip
from common.errors import ApiError, BadRequestError, NotFoundError
from common.problems import problem_response

Rest = ParamSpec("Rest")
View = Callable[Concatenate[HttpRequest, Rest], HttpResponseBase]

OWN_SITES = {"same-origin", "none"}  # `none`: typed in the address bar, or a bookmark


class CrossSiteError(ApiError):
    """The inbox does not serve pages of other sites."""

    code = "cross_site"
    status = HTTPStatus.FORBIDDEN


def is_loopback(text: str) -> bool:
    address = parse_ip(text)
    return address is not None and address.is_loopback


def is_local(request: HttpRequest) -> bool:
    """Whether the client itself is on this machine: every address that a proxy reports must be loopback too."""
    addresses = [request.META.get("REMOTE_ADDR", "")]
    for name in ("X-Forwarded-For", "X-Real-IP"):
        addresses += request.headers[name].split(",") if name in request.headers else []
    return "Forwarded" not in request.headers and all(is_loopback(each) for each in addresses)


def is_own_page(request: HttpRequest) -> bool:
    """Whether the request comes from no browser, or from our own page. Reads hold threads, and deletes lose mail."""
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITES:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin)[:2] == (request.scheme, request.get_host())


def is_own_page_or_image(request: HttpRequest) -> bool:
    """As above, or an image in a page: the sandboxed frame has its own origin, and loads its images from us."""
    return is_own_page(request) or request.headers.get("Sec-Fetch-Dest") == "image"


def local_only(view: View[Rest]) -> View[Rest]:
    """Answer 404, as if the inbox did not exist, to clients on other machines, and 400 for an unknown Host."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponseBase:
        if not is_local(request):
            return problem_response(NotFoundError(), request)
        try:
            request.get_host()
        except DisallowedHost:
            return problem_response(BadRequestError(), request)
        return view(request, *args, **kwargs)

    return guarded
