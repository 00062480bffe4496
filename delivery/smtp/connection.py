"""A TCP connection to an SMTP server: it writes bytes and reads replies, without blocking, each with a deadline."""

import asyncio
import errno
import os
import select
import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import Any

from delivery.concurrency.waiting import Wait, await_socket, find_deadlines
from delivery.replies import MAX_REPLY_BYTES, MalformedReplyError, SmtpReply, take_reply

BLOCK = 65_536
LEAST_HIDDEN = 6
HIDDEN = b"(not shown: the reply repeats the credentials)"
# One result of socket.getaddrinfo.
SocketAddress = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ConnectionBrokenError(Exception):
    """The connection is unusable: it broke, timed out, or received malformed data.

    `unsent` is how many bytes of the last write had not been taken by the kernel.
    """

    def __init__(self, text: str, *, unsent: int = 0) -> None:
        super().__init__(text)
        self.unsent = unsent


class TlsError(ConnectionBrokenError):
    """The TLS handshake failed."""

    def __init__(self, text: str, *, is_about_certificate: bool = False) -> None:
        super().__init__(text)
        self.is_about_certificate = is_about_certificate


class Connection:
    """A non-blocking socket, plain or TLS, for one conversation at a time.

    While a conversation lasts, the event loop watches the socket and reads what arrives; between two conversations it
    belongs to no loop, and another thread's may take it. `detach` ends the watch.
    """

    __slots__ = (
        *("_buffer", "_end", "_fileno", "_has_asked", "_has_line", "_loop", "_secrets", "_socket", "_wait"),
        "is_tls",
    )

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._fileno = connected.fileno()
        self._buffer = b""
        # The text of the error that ended the stream; `""` while it goes on.
        self._end = ""
        self._has_asked = False
        self._has_line = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wait: Wait | None = None
        self._secrets: list[bytes] = []
        self.is_tls = False

    def hide(self, secret: bytes) -> None:
        """From now on no reply shows `secret`: a server out of step may quote the line with the password."""
        # A shorter one may be part of any text.
        if len(secret) >= LEAST_HIDDEN:
            self._secrets.append(secret)

    async def start_tls(self, context: ssl.SSLContext, server_name: str, seconds: float) -> str:
        """Encrypt the connection; the result is protocol and cipher, for people. Raises TlsError, and
        ConnectionBrokenError for plaintext after the reply to STARTTLS, an injection (CVE-2011-0411).
        """
        if self._buffer:
            raise ConnectionBrokenError("plaintext after the reply to STARTTLS was rejected")
        self.detach()
        try:
            encrypted = context.wrap_socket(self._socket, server_hostname=server_name, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            raise TlsError(f"the TLS handshake failed: {describe_error(error)}") from error
        self._socket, self.is_tls = encrypted, True
        await self._shake_hands(encrypted, monotonic() + seconds)
        cipher = encrypted.cipher()
        return f"{encrypted.version()} {cipher[0] if cipher else ''}".strip()

    async def _shake_hands(self, encrypted: ssl.SSLSocket, deadline: float) -> None:
        while True:
            try:
                encrypted.do_handshake()
                return
            except _NOT_YET as error:
                if monotonic() >= deadline:
                    raise TlsError("the TLS handshake failed: timed out") from None
                await await_socket(self._fileno, isinstance(error, ssl.SSLWantWriteError), deadline)
            except ssl.SSLCertVerificationError as error:
                text = f"the certificate was rejected: {error.verify_message}"
                raise TlsError(text, is_about_certificate=True) from error
            except (OSError, ValueError) as error:
                raise TlsError(f"the TLS handshake failed: {describe_error(error)}") from error

    async def write(self, data: bytes, seconds: float) -> None:
        """Write all of `data`, within `seconds` per BLOCK. ConnectionBrokenError has the count of unsent bytes."""
        view: bytes | memoryview = data
        deadline = 0.0
        while True:
            try:
                sent = self._socket.send(view)
            except _NOT_YET as error:
                now = monotonic()
                deadline = deadline or now + seconds * (1 + len(data) // BLOCK)
                if now >= deadline:
                    raise ConnectionBrokenError("timed out while writing", unsent=len(view)) from None
                self.detach()
                await await_socket(self._fileno, not isinstance(error, ssl.SSLWantReadError), deadline)
            except OSError as error:
                raise ConnectionBrokenError(
                    f"the connection broke: {describe_error(error)}", unsent=len(view)
                ) from error
            else:
                if sent == len(view):
                    self._has_asked = True
                    return
                view = memoryview(view)[sent:]

    async def read_reply(self, seconds: float) -> SmtpReply:
        """The next complete reply, within `seconds`. Raises ConnectionBrokenError."""
        deadline = 0.0
        while True:
            # Parse only complete lines, so that a server that sends single bytes costs no CPU.
            if self._has_line and (answer := self._take_reply()) is not None:
                self._has_asked = False
                return answer
            if self._end:
                raise ConnectionBrokenError(self._end)
            is_write = False
            # Behind a request the reply cannot have arrived yet: reading at once would waste a system call.
            if not self._has_asked:
                try:
                    if self._read():
                        continue
                except ssl.SSLWantWriteError:
                    is_write = True
            self._has_asked = False
            now = monotonic()
            deadline = deadline or now + seconds
            if now >= deadline:
                raise ConnectionBrokenError("timed out waiting for a reply")
            if is_write:
                await await_socket(self._fileno, True, deadline)
            else:
                await self._await_line(deadline)

    async def _await_line(self, deadline: float) -> None:
        """Wait until a line, or the end of the stream, has arrived, or the deadline has passed."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self.detach()
            loop.add_reader(self._fileno, self._take_in)
            self._loop = loop
        wait = self._wait = loop.create_future()
        deadlines = find_deadlines(loop)
        deadlines.add(wait, deadline)
        try:
            await wait
        finally:
            self._wait = None
            deadlines.remove(wait)

    def _take_in(self) -> None:
        """Called by the event loop when the socket can be read. What comes while nobody waits stays in the kernel."""
        wait = self._wait
        if wait is None:
            self.detach()
            return
        try:
            self._read()
            is_over = self._has_line or bool(self._end)
        except ssl.SSLWantWriteError:
            is_over = True
        if is_over and not wait.done():
            wait.set_result(None)

    def _read(self) -> bool:
        """Read what has arrived; False if that is nothing. The end of the stream is something."""
        try:
            fresh = self._socket.recv(BLOCK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except ssl.SSLWantWriteError:
            raise
        except OSError as error:
            self._end = f"the connection broke: {describe_error(error)}"
            return True
        if fresh:
            self._buffer += fresh
            self._has_line = self._has_line or b"\n" in fresh or len(self._buffer) > MAX_REPLY_BYTES
        else:
            self._end = "the other side closed the connection"
        return True

    def detach(self) -> None:
        """End the event loop's watch, in the loop's own thread."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.remove_reader(self._fileno)

    def _take_reply(self) -> SmtpReply | None:
        try:
            taken = take_reply(self._buffer)
        except MalformedReplyError as error:
            # What it quotes is cut, and may be a part of a secret.
            raise ConnectionBrokenError("not an SMTP reply" if self._secrets else str(error)) from error
        if taken is None:
            self._has_line = False
            return None
        self._buffer = self._buffer[taken[1] :]
        self._has_line = b"\n" in self._buffer
        return self._hide_secrets(taken[0]) if self._secrets else taken[0]

    def _hide_secrets(self, answer: SmtpReply) -> SmtpReply:
        text = b" ".join(answer.lines)
        return SmtpReply(answer.code, (HIDDEN,)) if any(secret in text for secret in self._secrets) else answer

    def is_quiet(self) -> bool:
        """Whether the connection is open and has received no unexpected data."""
        if self._buffer or self._end:
            return False
        try:
            # A read through TLS, not a peek at the socket, which may hold session tickets of TLS 1.3.
            return not self._read()
        except ssl.SSLWantWriteError:
            return True

    def write_at_once(self, data: bytes) -> None:
        """Write as much as the kernel accepts now, and ignore errors."""
        with suppress(OSError):
            self._socket.send(data)

    def await_word(self, seconds: float) -> None:
        """Block until data or the end of the connection arrives, or `seconds` have passed."""
        poll = select.poll()
        poll.register(self._fileno, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close the socket, without QUIT."""
        self.detach()
        self._socket.close()


async def connect(address: SocketAddress, source_address: str, deadline: float) -> Connection:
    """Connect to one address. Raises OSError."""
    family, kind, protocol, _name, target = address
    dialled = socket.socket(family, kind, protocol)
    try:
        dialled.setblocking(False)
        if source_address:
            dialled.bind((source_address, 0))
        await _connect(dialled, target, deadline)
        return Connection(dialled)
    except BaseException:
        dialled.close()
        raise


async def _connect(dialled: socket.socket, target: Any, deadline: float) -> None:
    error = dialled.connect_ex(target)
    if error == errno.EINPROGRESS:
        await await_socket(dialled.fileno(), True, deadline)
        if monotonic() >= deadline:
            raise TimeoutError("timed out")
        error = dialled.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def describe_error(error: BaseException) -> str:
    """The text of an error for an attempt's record."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
