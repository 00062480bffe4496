"""A connection to a mailbox's server that is bounded in time and bytes: the server may be a stranger's."""

import socket
import ssl
from time import monotonic

from delivery.mailboxes.model import MailboxAddress, MailboxError, MailboxLimits
from delivery.ssrf import Guard, RefusedError

# Also of a mail, which POP3 sends by lines: HTML often has one.
MAX_LINE = 1024 * 1024
CHUNK = 65_536


class Connection:
    """Lines and blocks of bytes over TLS. Each read and write ends by the deadline of the whole visit."""

    def __init__(
        self, address: MailboxAddress, limits: MailboxLimits, context: ssl.SSLContext, guard: Guard | None
    ) -> None:
        """Connect; MailboxError. The certificate is checked against the host's name."""
        self._deadline = monotonic() + limits.seconds
        self._left = limits.total_bytes
        self._buffer = b""
        try:
            plain = self._connect(address, guard)
            try:
                plain.settimeout(self._remaining())
                self._socket = context.wrap_socket(plain, server_hostname=address.host)
            except BaseException:
                plain.close()
                raise
        except RefusedError as error:
            raise MailboxError(error.message) from None
        except (OSError, ValueError) as error:
            raise MailboxError(f"no connection: {error}") from None

    def _connect(self, address: MailboxAddress, guard: Guard | None) -> socket.socket:
        hosts = [str(one) for one in guard.find_addresses(address.host, address.port)] if guard else [address.host]
        for position, host in enumerate(hosts, 1):
            try:
                return socket.create_connection((host, address.port), timeout=self._remaining())
            except OSError:
                if position == len(hosts):
                    raise
        raise OSError("the host has no address")

    def _remaining(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the time for one visit is over")
        return left

    def send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._remaining())
            self._socket.sendall(data)
        except OSError as error:
            raise MailboxError(f"the connection broke: {error}") from None

    def read_line(self) -> bytes:
        """The next line without its end."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise MailboxError("the server sent a line that is too long")
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def read_block(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > self._left + len(self._buffer):
            raise MailboxError("the server sent too much")
        pieces, missing = [], size
        while missing:
            if not self._buffer:
                self._receive()
            piece, self._buffer = self._buffer[:missing], self._buffer[missing:]
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _receive(self) -> None:
        try:
            self._socket.settimeout(self._remaining())
            data = self._socket.recv(CHUNK)
        except OSError as error:
            raise MailboxError(f"the connection broke: {error}") from None
        if not data:
            raise MailboxError("the server closed the connection")
        self._left -= len(data)
        if self._left < 0:
            raise MailboxError("the server sent too much")
        self._buffer += data

    def close(self) -> None:
        self._socket.close()
