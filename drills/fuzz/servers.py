"""Conversations over sockets: a stranger's bytes as an SMTP client, as an SMTP server, and as an HTTP server.

A client says all at once, ends what it may have begun, and says QUIT. A server says all at once and hangs up, but for
the places where its bytes tell it to let the other side speak. So no conversation waits for long.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from uuid import UUID

from delivery.envelope import Delivery, Reply
from delivery.http_client import AsyncHttpClient
from delivery.reports.parse import parse_report
from delivery.smtp.config import SmtpConfig, Timeouts
from delivery.smtp.server import Envelope, ServerLimits, ServerManner, SmtpConversation, SmtpServer
from delivery.smtp.transport import SmtpTransport
from delivery.ssrf import Guard, parse_target
from delivery.tls import make_client_context
from emailsvc.launcher.ports import LOOPBACK
from webhooks.posting.http_client import EXPECTED_ERRORS, PartialResponse, Post, read_answer

LIMITS = ServerLimits(
    message_bytes=32 * 1024,
    buffered_bytes=64 * 1024,
    connections=2,
    recipients=3,
    idle_seconds=5.0,
    session_seconds=10.0,
)
MANNERS = tuple(
    ServerManner(ident="fuzzed", failure="451 4.3.0 failed", ending="421 4.3.2 ending", is_strict=is_strict)
    for is_strict in (True, False)
)
REPLY_LINE = re.compile(rb"[2-5][0-9]{2}(?:[ -][^\r\n]*)?")
# Ends a line, a mail or a log-in that may be open, and the conversation.
FAREWELL = b"\r\n.\r\nQUIT\r\n"
# Where a server that is made of bytes lets the other side speak, and for how long.
TURN = b"\x00\x00"
MAX_TURNS = 8
TURN_SECONDS = 0.05
READ_BYTES = 1 << 16
# A conversation that takes longer waits for something, though the other side has gone.
PATIENCE_SECONDS = 10.0
ONE = UUID(int=1)
# Reading the authorities takes longer than a whole conversation.
CONTEXT = make_client_context()
MAIL = Delivery(
    recipient_id=ONE,
    message_id=ONE,
    return_path="b@ours.test",
    address="ann@there.test",
    content=b"Subject: a\r\n\r\n.b\r\n",
    envelope_id="fuzz",
)
SECOND = timedelta(seconds=1)
SHORT = Timeouts(**dict.fromkeys(Timeouts.__dataclass_fields__, SECOND))


class FuzzedConversation(SmtpConversation):
    """Takes mail for everybody, and reads it as a report."""

    def judge_recipient(self, address: str) -> str:
        return "550 5.1.1 no" if address.startswith("no") else ""

    async def receive(self, content: bytes, envelope: Envelope) -> list[str]:
        parse_report(content)
        return ["250 2.0.0 taken" for _ in envelope.rcpt_tos]


class FuzzedServer(SmtpServer):
    """Keeps what its conversations failed of."""

    def __init__(self, manner: ServerManner) -> None:
        super().__init__(manner, LIMITS, host_name="ours.test")
        self.failures: list[Exception] = []

    def build_conversation(self) -> SmtpConversation:
        return FuzzedConversation(self)

    def note_failure(self, error: Exception) -> None:
        self.failures.append(error)


def hear_smtp_client(data: bytes) -> None:
    """Both manners of our servers answer a client with replies and nothing else, and fail over no command."""
    for manner in MANNERS:
        server = FuzzedServer(manner)
        said = asyncio.run(converse_with_server(server, data))
        if server.failures:
            raise server.failures[0]
        for line in said.split(b"\r\n")[:-1]:
            assert REPLY_LINE.fullmatch(line), f"no reply: {line!r}"


async def converse_with_server(server: SmtpServer, data: bytes) -> bytes:
    """What the server answers to a client that says `data`, then FAREWELL. Closing the side would end a DATA early."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(server.accept, ours)
    reader, writer = await asyncio.open_connection(sock=theirs, limit=1 << 24)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionError):
            writer.write(data + FAREWELL)
        said = b""
        with suppress(ConnectionError):
            said = await reader.read(-1)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    await server.end_conversations()
    return said


def hear_smtp_server(data: bytes) -> None:
    """Our client ends every conversation with one reply for its mail, whatever the server says."""
    replies = asyncio.run(converse_with_client(data, partial(SmtpConfig, host=LOOPBACK, timeouts=SHORT)))
    assert [recipient for recipient, _ in replies] == [ONE], "the mail has no reply, or several"
    for _, reply in replies:
        assert reply.text.isprintable(), "a reply has control characters"


async def converse_with_client(data: bytes, build: Callable[..., SmtpConfig]) -> list[tuple[UUID, Reply]]:
    """What our client makes of a server that says `data`; `build` makes its configuration of the port."""
    async with saying(data) as port:
        transport = SmtpTransport(build(port=port))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), aclosing(transport.converse([MAIL], grant)) as replies:
                return [answer async for answer in replies]
        finally:
            transport.close()


async def grant(ids: Collection[UUID]) -> Collection[UUID]:
    return ids


def hear_http_answer(data: bytes) -> None:
    """An answer to a webhook has a status or fails with a documented error; what is kept of it is plain text."""
    heard = PartialResponse()
    with suppress(*EXPECTED_ERRORS):
        asyncio.run(post_webhook(data, heard))
    outcome = heard.conclude(ONE, SECOND)
    assert "\x00" not in outcome.excerpt, "an excerpt has a NUL"


async def post_webhook(data: bytes, heard: PartialResponse) -> None:
    async with saying(data) as port:
        client = AsyncHttpClient(Guard(allowed=[ip_network(f"{LOOPBACK}/32")]), connect_seconds=1.0, context=CONTEXT)
        post = Post(id=ONE, target=parse_target(f"http://{LOOPBACK}:{port}/"), headers={}, body=b"{}")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await read_answer(client, post, heard)
        finally:
            await client.close()


@asynccontextmanager
async def saying(data: bytes) -> AsyncIterator[int]:
    """A server that says `data` to each client, then closes its side; its port. At the end no client may be left.

    At each of the first TURNs it lets the client speak, which an SMTP client does before the reply to its dot.
    """
    lines: set[asyncio.Future[None]] = set()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines.add(over)
        with suppress(OSError):
            first, *others = data.split(TURN, MAX_TURNS)
            writer.write(first)
            for part in others:
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(READ_BYTES), TURN_SECONDS)
                writer.write(part)
            writer.write_eof()
            await reader.read(-1)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        over.set_result(None)

    server = await asyncio.start_server(say, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*lines)
