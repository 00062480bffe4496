"""The bytes of an answer on their way to the client, written as far as the socket takes them and never waited for."""

import os
import socket
from tempfile import TemporaryFile
from typing import IO

from emailsvc.web.serving.budget import ByteBudget
from emailsvc.web.serving.limits import MEMORY_BYTES

# So much is gathered before it is sent: head and body of most answers leave in one packet.
SEND_BYTES = 64 * 1024
FILE_STEP = 256 * 1024


class ClientGoneError(OSError):
    """The client has closed the connection, or reads too slowly for what is still to be sent."""


class Outbox:
    """Stands for the socket where gunicorn writes. One thread at a time uses it."""

    def __init__(self, sock: socket.socket, budget: ByteBudget, caller: str) -> None:
        self._sock = sock
        self._budget = budget
        self._caller = caller
        self._parts: list[bytes] = []
        self._gathered = 0
        self._file: IO[bytes] | None = None
        self._file_start = 0
        self._file_end = 0
        self._charged = 0
        self._has_sent = False

    @property
    def is_untouched(self) -> bool:
        """Whether `discard` leaves nothing of the answer."""
        return not self._has_sent and self._file is None

    @property
    def waiting(self) -> int:
        """The bytes that are not sent yet."""
        return self._gathered + self._file_end - self._file_start

    def sendall(self, data: bytes) -> None:
        """Take data; send it when enough has come. Raises ClientGoneError."""
        self._parts.append(data)
        self._gathered += len(data)
        if self._gathered >= SEND_BYTES:
            self.flush()

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def discard(self) -> None:
        """Forget what has been gathered, so that another answer can take its place."""
        self._parts.clear()
        self._gathered = 0

    def flush(self) -> bool:
        """Send as much as the client takes now; True when nothing waits. Raises ClientGoneError."""
        try:
            self._send_file()
            if self._file_start == self._file_end:
                self._send_parts()
        except BlockingIOError:
            pass
        except OSError as error:
            raise ClientGoneError from error
        if self._gathered > MEMORY_BYTES or (self._gathered and self._file_start < self._file_end):
            self._spool()
        return not self.waiting

    def _send_parts(self) -> None:
        while self._gathered:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = [data]
            count = self._sock.send(data)
            self._has_sent = True
            self._gathered -= count
            self._parts = [data[count:]] if self._gathered else []

    def _send_file(self) -> None:
        while self._file is not None and self._file_start < self._file_end:
            data = os.pread(self._file.fileno(), FILE_STEP, self._file_start)
            self._file_start += self._sock.send(data)

    def _spool(self) -> None:
        """Move what waits into the file, within the budget: a slow reader does not hold the memory of the process."""
        if not self._budget.take(self._caller, self._gathered):
            raise ClientGoneError("no room for an answer that is read slowly")
        self._charged += self._gathered
        if self._file is None:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115  closed by `close`
        for part in self._parts:
            self._file.write(part)
        self._file_end += self._gathered
        self.discard()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._budget.give_back(self._caller, self._charged)
        self._charged = self._file_start = self._file_end = 0
        self._has_sent = False
        self.discard()

    def gettimeout(self) -> float:
        """gunicorn asks whether the socket blocks."""
        return 0.0
