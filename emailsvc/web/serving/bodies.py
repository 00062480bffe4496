"""Bodies of requests, collected without a thread: by length or by chunks, in memory or in a temporary file."""

import re
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any

from emailsvc.web.serving.limits import KIB, MEMORY_BYTES

# RFC 9112, 7.1: a size in hexadecimal, then extensions, which are passed over.
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?\Z")
CHUNK_LINE_BYTES = 1 * KIB
TRAILER_BYTES = 16 * KIB


class BodyAwaited(BaseException):
    """The application reads a body that has not been read from the client yet.

    Not an `Exception`: no handler of the application stops it. By then the application has checked path, method, key,
    type and length. It runs again from its start when the body is complete.
    """


class BrokenBodyError(Exception):
    """The body ended before its announced end, or its chunks are malformed."""


class AwaitedInput:
    """`wsgi.input` of an application that is asked whether it wants the body."""

    def read(self, *_: Any) -> bytes:
        raise BodyAwaited

    readline = readlines = __iter__ = read


class BrokenInput:
    """`wsgi.input` with a body that could not be read."""

    def read(self, *_: Any) -> bytes:
        raise BrokenBodyError

    readline = readlines = __iter__ = read


class ChunkDecoder:
    """Takes the bytes of a chunked body as they come. Raises BrokenBodyError for malformed ones."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._left = 0
        self._is_inside = False
        self._trailer_bytes = -1
        self.is_done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The content in `data`. After the last chunk `is_done`, and `rest` has the bytes behind it."""
        content = []
        view = memoryview(data)
        place = 0
        while place < len(data) and not self.is_done:
            if self._left:
                piece = view[place : place + self._left]
                content.append(piece)
                self._left -= len(piece)
                place += len(piece)
            else:
                place = self._read_line(data, place)
        self.rest = data[place:]
        return b"".join(content)

    def _read_line(self, data: bytes, place: int) -> int:
        end = data.find(b"\n", place)
        stop = len(data) if end < 0 else end + 1
        self._line += data[place:stop]
        if len(self._line) > CHUNK_LINE_BYTES and self._trailer_bytes < 0:
            raise BrokenBodyError
        if end >= 0:
            if not self._line.endswith(b"\r\n"):
                raise BrokenBodyError
            line = bytes(self._line[:-2])
            self._line.clear()
            self._take_line(line)
        elif self._trailer_bytes + len(self._line) > TRAILER_BYTES:
            raise BrokenBodyError
        return stop

    def _take_line(self, line: bytes) -> None:
        if self._trailer_bytes >= 0:
            self._trailer_bytes += len(line) + 2
            if self._trailer_bytes > TRAILER_BYTES:
                raise BrokenBodyError
            self.is_done = not line
        elif self._is_inside:
            if line:
                raise BrokenBodyError
            self._is_inside = False
        else:
            match = CHUNK_SIZE.match(line)
            if match is None:
                raise BrokenBodyError
            self._left = int(match[1], 16)
            self._is_inside = bool(self._left)
            if not self._left:
                self._trailer_bytes = 0


class Body:
    """One request's body while it arrives. `length` is None for a chunked one."""

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.size = 0
        self.is_broken = False
        self._chunks = ChunkDecoder() if length is None else None
        self._file: IO[bytes] | None = None
        self._memory = BytesIO()

    @property
    def is_done(self) -> bool:
        return self._chunks.is_done if self._chunks else self.size == self.length

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; returns the bytes behind its end."""
        if self._chunks:
            try:
                content = self._chunks.feed(data)
            except BrokenBodyError:
                self.is_broken = True
                return b""
            rest = self._chunks.rest
        else:
            left = (self.length or 0) - self.size
            content, rest = (data, b"") if len(data) <= left else (data[:left], data[left:])
        self.size += len(content)
        if self._file is None and self.size > MEMORY_BYTES:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115  closed by `close`
            self._file.write(self._memory.getbuffer())
            self._memory = BytesIO()
        (self._file or self._memory).write(content)
        return rest

    def open(self) -> Any:
        """The body as `wsgi.input`, from its start."""
        if self.is_broken:
            return BrokenInput()
        source = self._file or self._memory
        source.seek(0)
        return source

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._memory = BytesIO()
