"""The MCP server over streamable HTTP: each client sends its own API key as a bearer token (RFC 6750)."""

import asyncio
import ipaddress
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import uvicorn
from emailsvc_client.async_client import AsyncClient
from emailsvc_client.configuration import Account
from emailsvc_client.errors import ApiError, ConfigurationError, EmailsvcError
from emailsvc_client.mcp_server.server import build_server
from emailsvc_client.mcp_server.tools import RETRIES, AnyContext
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"
# A file of 5 MiB in base64, and the rest of an email.
MAX_BODY = 16 * 1024 * 1024
# A key that was right is not asked about again for so long, and at most so many are remembered.
KNOWN_SECONDS = 60.0
MAX_KNOWN = 1_000


def read_bearer(headers: Headers) -> str:
    """The key in `Authorization`, or ""."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass
class KeyGate:
    """Lets a request through whose key the service knows; every call of a tool then uses that key."""

    app: ASGIApp
    url: str
    clock: Callable[[], float] = time.monotonic
    # The digests of keys that were right, and until when that is believed.
    _known: dict[bytes, float] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self.find_refusal(read_bearer(Headers(scope=scope))) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refuse(send, *refusal)

    async def find_refusal(self, key: str) -> tuple[int, str] | None:
        """The status and the sentence for a key that is refused."""
        if not key:
            return 401, "Send an API key as `Authorization: Bearer es_live_…`."
        digest = sha256(key.encode()).digest()
        if self._known.get(digest, 0.0) > self.clock():
            return None
        try:
            async with AsyncClient(self.url, key, retries=RETRIES) as client:
                await client.get_me()
        except ConfigurationError as error:
            return 401, str(error)
        except ApiError as error:
            return error.status, error.detail
        except EmailsvcError as error:
            return 503, str(error)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[digest] = self.clock() + KNOWN_SECONDS
        return None


async def refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"error": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def build_app(url: str, host: str) -> tuple[KeyGate, Starlette]:
    """The application with the check of keys before it, and without, for its lifespan.

    It keeps no sessions: any process answers any request. On a loopback host only that host's names are answered, so
    that no page in a browser reaches it (DNS rebinding).
    """

    def find_account(context: AnyContext) -> Account:
        return Account(url=url, api_key=read_bearer(Headers(dict(context.headers or {}))))

    app = build_server(find_account).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY,
        host=host,
    )
    return KeyGate(app=app, url=url), app


def run_http(url: str, host: str, port: int) -> None:
    """Serve until a signal. Port 0 takes a free one. Raises OSError if the address cannot be had."""
    gate, _ = build_app(url, host)
    with bind(host, port) as listener:
        place = listener.getsockname()
        shown = f"[{place[0]}]" if ":" in place[0] else place[0]
        sys.stderr.write(f"emailsvc: MCP at http://{shown}:{place[1]}{PATH} for {url}\n")
        if not ipaddress.ip_address(place[0]).is_loopback:
            sys.stderr.write("emailsvc: keys cross the network in clear text: put a proxy with TLS before it\n")
        sys.stderr.flush()
        server = uvicorn.Server(uvicorn.Config(gate, log_level="warning", access_log=False))
        asyncio.run(server.serve(sockets=[listener]))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
