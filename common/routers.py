"""Paths of the API: documented without a trailing slash, served with and without one, never redirected."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver, register_converter
from django.urls.converters import UUIDConverter
from django.urls.resolvers import RoutePattern
from rest_framework.routers import SimpleRouter


class IdConverter(UUIDConverter):
    """A UUID with hexadecimal digits in any case (RFC 9562, 4)."""

    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"


register_converter(IdConverter, "id")


class SlashTolerantPattern(RoutePattern):
    """A whole route that also matches with a trailing slash."""

    def match(self, path: str) -> Any:
        found = super().match(path)
        return super().match(path[:-1]) if found is None and path.endswith("/") else found


def api_path(route: str, view: Callable[..., HttpResponseBase], name: str | None = None) -> URLPattern:
    """Like `django.urls.path` for one view; `route` has no trailing slash."""
    return URLPattern(SlashTolerantPattern(route, name=name, is_endpoint=True), view, None, name)


class ApiRouter(SimpleRouter):
    """A router whose routes are `api_path`s. Ids are UUIDs in any case unless the viewset names another converter.

    So a malformed id gives the same 404 as an unknown id.
    """

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)
        self._default_value_pattern = "id"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            api_path(str(url.pattern), url.callback, url.name)
            for url in super().get_urls()
            if isinstance(url, URLPattern)
        ]
