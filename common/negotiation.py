"""Content negotiation: each view has one format."""

from collections.abc import Iterable, Sequence
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class OnlyForm(BaseContentNegotiation):
    """Each view has one parser and one renderer, whatever Accept says (RFC 9110, 12.5.1, permits this).

    A download requested with `Accept: message/rfc822` is sent, and a client that accepts none of our formats still gets
    a readable response. The parser itself rejects bodies that are not JSON.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002
        return next(iter(parsers))

    def select_renderer(  # type: ignore[override]  # the stubs want a tuple of a type that nobody returns
        self,
        request: Request,  # noqa: ARG002
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[Any, str]:
        return renderers[0], str(renderers[0].media_type)
