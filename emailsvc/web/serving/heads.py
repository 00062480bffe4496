"""The heads of requests and of answers: gunicorn's, without what costs time and decides nothing here."""

from collections.abc import Iterable
from functools import lru_cache

from gunicorn.http.message import TOKEN_RE, Request
from gunicorn.http.wsgi import HEADER_VALUE_RE, Response
from gunicorn.util import is_hoppish

CONTENT_LENGTH = "content-length"


class RequestHead(Request):  # type: ignore[misc]
    """A request's head."""

    def _peer_is_trusted_proxy(self) -> bool:
        """Whether the peer may set SCRIPT_NAME: only one on a Unix socket, since `forwarded_allow_ips` is empty.

        Django decides which proxies are trusted otherwise.
        """
        return not isinstance(self.peer_addr, tuple)


class AnswerHead(Response):  # type: ignore[misc]
    """An answer, whose names of headers are examined once."""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            if is_plain(name) and HEADER_VALUE_RE.fullmatch(value):
                self.headers.append((name, value.strip(" \t")))
            else:
                super().process_headers([(name, value)])


@lru_cache(maxsize=500)
def is_plain(name: str) -> bool:
    """Whether it is the valid name of a header that the server does not look at."""
    return bool(TOKEN_RE.fullmatch(name)) and not is_hoppish(name) and name.lower() != CONTENT_LENGTH
