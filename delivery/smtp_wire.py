"""One TCP line to an SMTP server: bytes out, answers in, every wait bounded by a deadline."""

import socket
import ssl
import struct
from time import monotonic

from delivery.replies import MAX_ANSWER_BYTES, Answer, NonsenseError, take_answer

BLOCK = 65_536
# Sockets wake up this often to look at the deadline. It is set once for each socket, for changing it is a system call.
TICK_SECONDS = 0.25
_TICK = struct.pack("ll", 0, int(TICK_SECONDS * 1_000_000))
_NOT_YET = (BlockingIOError, TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LineError(Exception):
    """The line is of no use any more: cut, silent for too long, or full of nonsense.

    `unsent` is how many bytes of the last write had not been taken by the kernel.
    """

    def __init__(self, text: str, *, unsent: int = 0) -> None:
        super().__init__(text)
        self.unsent = unsent


class TlsError(LineError):
    """The TLS handshake failed."""

    def __init__(self, text: str, *, is_about_certificate: bool = False) -> None:
        super().__init__(text)
        self.is_about_certificate = is_about_certificate


class Line:
    """A connected socket, plain or TLS. Used by one thread at a time."""

    __slots__ = ("_buffer", "_socket", "is_tls")

    def __init__(self, connected: socket.socket) -> None:
        self._socket: socket.socket = connected
        self._buffer = b""
        self.is_tls = isinstance(connected, ssl.SSLSocket)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bound_waits()

    def _bound_waits(self) -> None:
        # The kernel's own timeout saves a poll before each read and write; TLS needs Python's.
        if self.is_tls:
            self._socket.settimeout(TICK_SECONDS)
        else:
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TICK)

    def start_tls(self, context: ssl.SSLContext, server_name: str, seconds: float) -> str:
        """Encrypt the line; the answer is protocol and cipher, for people. Raises TlsError, and LineError for bytes
        that came in clear behind the answer to STARTTLS: an injection (CVE-2011-0411).
        """
        if self._buffer:
            raise LineError("bytes in clear after the answer to STARTTLS: refused")
        self._socket.settimeout(seconds)
        try:
            encrypted = context.wrap_socket(self._socket, server_hostname=server_name)
        except ssl.SSLCertVerificationError as error:
            raise TlsError(f"the certificate was refused: {error.verify_message}", is_about_certificate=True) from error
        except (OSError, ValueError) as error:
            raise TlsError(f"the TLS handshake failed: {describe_error(error)}") from error
        self._socket, self.is_tls = encrypted, True
        self._bound_waits()
        cipher = encrypted.cipher()
        return f"{encrypted.version()} {cipher[0] if cipher else ''}".strip()

    def write(self, data: bytes, seconds: float) -> None:
        """Write all of `data`; `seconds` are for each BLOCK of it. Raises LineError, which tells what was not taken."""
        view = memoryview(data)
        deadline = monotonic() + seconds * (1 + len(view) // BLOCK)
        done = 0
        while done < len(view):
            try:
                done += self._socket.send(view[done:])
            except _NOT_YET:
                if monotonic() >= deadline:
                    raise LineError("timed out while writing", unsent=len(view) - done) from None
            except OSError as error:
                raise LineError(f"the line broke: {describe_error(error)}", unsent=len(view) - done) from error

    def read_answer(self, seconds: float) -> Answer:
        """The next reply, whole, within `seconds`. Raises LineError."""
        deadline = monotonic() + seconds
        fresh = self._buffer
        while True:
            # A server that drips bytes does not have its reply parsed for each of them.
            if b"\n" in fresh or len(self._buffer) > MAX_ANSWER_BYTES:
                try:
                    taken = take_answer(self._buffer)
                except NonsenseError as error:
                    raise LineError(str(error)) from error
                if taken is not None:
                    self._buffer = self._buffer[taken[1] :]
                    return taken[0]
            fresh = self._read_some(deadline)
            self._buffer += fresh

    def _read_some(self, deadline: float) -> bytes:
        while True:
            try:
                fresh = self._socket.recv(BLOCK)
            except _NOT_YET:
                fresh = b""
            except OSError as error:
                raise LineError(f"the line broke: {describe_error(error)}") from error
            else:
                if not fresh:
                    raise LineError("the other side closed the line")
            if monotonic() >= deadline:
                raise LineError("timed out waiting for a reply")
            if fresh:
                return fresh

    def is_quiet(self) -> bool:
        """Whether the line is open and nothing came that nobody asked for. Does not wait."""
        if self._buffer:
            return False
        try:
            self._buffer = self._read_now()
        except _NOT_YET:
            return True
        except OSError:
            return False
        return False

    def _read_now(self) -> bytes:
        if not self.is_tls:
            return self._socket.recv(BLOCK, socket.MSG_DONTWAIT)
        # Not a peek at the socket: TLS 1.3 leaves session tickets there, which are no reply.
        self._socket.settimeout(0)
        try:
            return self._socket.recv(BLOCK)
        finally:
            self._socket.settimeout(TICK_SECONDS)

    def close(self) -> None:
        """Close the socket, without QUIT."""
        self._socket.close()


def describe_error(error: BaseException) -> str:
    """An error in words for an attempt's record."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
