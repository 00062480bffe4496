"""The heads of requests and of answers: gunicorn's, without what costs time and decides nothing here.

What is plain is read by few calls. gunicorn's own code reads all else, and alone says what is wrong.
"""

import os
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from gunicorn.config import Config
from gunicorn.http.message import RFC9110_5_5_INVALID_AND_DANGEROUS, TOKEN_RE, Request
from gunicorn.http.wsgi import HEADER_VALUE_RE, Response, base_environ, create
from gunicorn.util import http_date, is_hoppish, unquote_to_wsgi_str

CONTENT_LENGTH = "content-length"
# Of short lines without a query the parts are kept.
MOST_LINES, LINE_BYTES = 1_000, 200
SCRIPT_NAME = os.environ.get("SCRIPT_NAME", "")
_LINE = ("method", "uri", "path", "query", "fragment", "version")


class RequestHead(Request):  # type: ignore[misc]
    """A request's head."""

    _lines: dict[bytes, dict[str, Any]] = {}

    def _peer_is_trusted_proxy(self) -> bool:
        """Whether the peer may set SCRIPT_NAME: only one on a Unix socket, since `forwarded_allow_ips` is empty.

        Django decides which proxies are trusted otherwise.
        """
        return not isinstance(self.peer_addr, tuple)

    def parse_request_line(self, line_bytes: bytes) -> None:
        known = self._lines.get(line_bytes)
        if known is not None:
            self.__dict__.update(known)
            return
        super().parse_request_line(line_bytes)
        if len(line_bytes) <= LINE_BYTES and not self.query:
            if len(self._lines) >= MOST_LINES:
                self._lines.clear()
            self._lines[line_bytes] = {name: getattr(self, name) for name in _LINE}

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        found = None
        if not (from_trailer or self._peer_is_trusted_proxy()):
            found = read_plain(data, self.limit_request_fields, self.limit_request_field_size)
        return super().parse_headers(data, from_trailer) if found is None else found


def read_plain(data: bytes, most: int, most_bytes: int) -> list[tuple[str, str]] | None:
    """The fields of a head of valid fields with different names, that the server does not look at; None for others."""
    fields = []
    lines = data.decode("latin-1").split("\r\n")
    for line in lines:
        given, colon, value = line.partition(":")
        name = read_name(given)
        if not (name and colon) or len(line) + 2 > most_bytes or RFC9110_5_5_INVALID_AND_DANGEROUS.search(value):
            return None
        fields.append((name, value.strip(" \t")))
    return fields if len(lines) <= most and len(dict(fields)) == len(fields) else None


@lru_cache(maxsize=500)
def read_name(name: str) -> str:
    """The name in upper case; "" for one that is invalid, or has a meaning for the server. CGI has one name for `a-b`
    and `a_b`.
    """
    is_plain = TOKEN_RE.fullmatch(name) and "_" not in name and name.lower() != "expect"
    return name.upper() if is_plain else ""


def build_environ(req: RequestHead, outbox: Any, addresses: tuple[Any, Any], cfg: Config) -> dict[str, Any]:
    """The request as PEP 3333 has it, but for its body. `addresses` are the client's and ours."""
    client, server = addresses
    if not isinstance(client, tuple) or SCRIPT_NAME:
        environ: dict[str, Any] = create(req, outbox, client, server, cfg)[1]
        return environ
    path = req.path
    environ = {
        **find_base(cfg),
        "REQUEST_METHOD": req.method,
        "QUERY_STRING": req.query,
        "RAW_URI": req.uri,
        "SERVER_PROTOCOL": f"HTTP/{req.version[0]}.{req.version[1]}",
        "wsgi.url_scheme": req.scheme,
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "PATH_INFO": unquote_to_wsgi_str(path) if "%" in path else path,
        "SCRIPT_NAME": "",
    }
    repeated: dict[str, list[str]] = {}
    for name, value in req.headers:
        key = name_variable(name)
        if key not in environ:
            environ[key] = value
        else:
            repeated.setdefault(key, [environ[key]]).append(value)
    for key, values in repeated.items():
        environ[key] = ",".join(values)
    return environ


@lru_cache(maxsize=500)
def name_variable(name: str) -> str:
    """The name of a field in the environ."""
    key = name.replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


@lru_cache(maxsize=10)
def find_base(cfg: Config) -> Mapping[str, Any]:
    """What all requests of a server share."""
    return base_environ(cfg)  # type: ignore[no-any-return]


def keep_settings(cfg: Config) -> None:
    """Make the settings plain attributes: gunicorn looks each up by two calls, twenty times for a request."""
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})


class AnswerHead(Response):  # type: ignore[misc]
    """An answer, whose names of headers are examined once."""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            if is_plain(name) and HEADER_VALUE_RE.fullmatch(value):
                self.headers.append((name, value.strip(" \t")))
            else:
                super().process_headers([(name, value)])

    def is_chunked(self) -> bool:
        return not (self.response_length is not None or self.req.version <= (1, 0) or self._omits_body)

    def default_headers(self) -> list[str]:
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\nDate: {write_date(int(time.time()))}\r\n",
            "Connection: close\r\n" if self.should_close() else "Connection: keep-alive\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            super()._emit_body(data)
        else:
            self.sock.sendall(data)


@lru_cache(maxsize=500)
def is_plain(name: str) -> bool:
    """Whether it is the valid name of a header that the server does not look at."""
    return bool(TOKEN_RE.fullmatch(name)) and not is_hoppish(name) and name.lower() != CONTENT_LENGTH


@lru_cache(maxsize=2)
def write_date(second: int) -> str:
    return str(http_date(second))
