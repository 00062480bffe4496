"""Postmark's paths in any case: its own libraries write `/deliveryStats` for `/deliverystats`."""

from collections.abc import Mapping
from functools import cache

from django.http import HttpRequest, HttpResponseBase
from django.urls import get_resolver, resolve
from django.views.decorators.csrf import csrf_exempt

from gateways.postmark.errors import show_unknown_path

ROUTES = "gateways.postmark.urls"


@cache
def list_words() -> Mapping[str, str]:
    """The fixed parts of the routes, by their form in lower case."""
    routes = [str(pattern.pattern) for pattern in get_resolver(ROUTES).url_patterns]
    words = {word for route in routes for word in route.split("/") if word and "<" not in word}
    return {word.lower(): word for word in words}


@csrf_exempt
def call_in_any_case(request: HttpRequest) -> HttpResponseBase:
    """The view whose route differs from the path in the case of fixed parts alone; else 404."""
    words = list_words()
    path = "/".join(words.get(part.lower(), part) for part in request.path_info.split("/"))
    # A path as it is in the routes has come here because it is none of them.
    if path == request.path_info:
        return show_unknown_path(request)
    found = resolve(path)
    request.resolver_match = found
    answer: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return answer
