"""A package index on loopback that serves a test's files and records the requests."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass
class Page:
    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    login: str = ""  # as `Authorization` has it


@dataclass
class Index:
    """`pages` by path; `asked` holds path and `Authorization` of each request."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        return self.url.partition("//")[2]


class Handler(BaseHTTPRequestHandler):
    index: ClassVar[Index]

    def do_GET(self) -> None:
        login = self.headers.get("Authorization", "")
        self.index.asked.append((self.path, login))
        page = self.index.pages.get(self.path, Page(status=404))
        if page.login and page.login != login:
            page = Page(status=401)
        self.send_response(page.status)
        for name, value in {"Content-Type": page.kind, "Content-Length": str(len(page.body)), **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_: object) -> None:
        """The test's output is not for requests."""


@contextmanager
def running_index(context: ssl.SSLContext | None = None) -> Iterator[Index]:
    """The index, by TLS if a context is given; it ends with the block."""
    handler = type("Handler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    handler.index = Index(f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield handler.index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
