"""Long base64 strings of a JSON body, which stay in the request's file, and their bytes, decoded piece by piece."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from mmap import mmap
from tempfile import TemporaryFile
from typing import IO
from weakref import finalize

# Longer strings of base64 stay in the file.
LONG = 256 * 1024
PIECE = 256 * 1024


class WrongEndError(ValueError):
    """The base64 ends with wrong padding, or with bits after the last byte."""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class SpooledBytes:
    """Decoded bytes in a temporary file, which goes with this object."""

    file: IO[bytes]
    size: int
    digest: bytes

    def __post_init__(self) -> None:
        finalize(self, self.file.close)

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read(self.size)


class SpooledText(str):
    """A string whose text is a placeholder; `read_text` gives the real one.

    It is cut only from a valid JSON string with characters of base64, `\\r`, `\\n` and `\\/`.
    """

    __slots__ = ("_body", "_end", "_start")
    _body: mmap
    _start: int
    _end: int

    @classmethod
    def cut(cls, placeholder: str, body: mmap, span: tuple[int, int]) -> "SpooledText":
        """`span` is that of the string in `body`, without its quotes."""
        text = cls(placeholder)
        text._body = body
        text._start, text._end = span
        return text

    @property
    def length(self) -> int:
        """The length in the body: at least that of the text."""
        return self._end - self._start

    def read_text(self) -> str:
        """The text, whole in memory."""
        return "".join(piece.decode() for piece in self._pieces(line_ends=True))

    def pieces_as_json(self) -> Iterator[bytes]:
        """The text as `json.dumps` writes it, without quotes."""
        for piece in self._pieces(line_ends=True):
            yield piece.replace(b"\r", b"\\r").replace(b"\n", b"\\n")

    def _pieces(self, *, line_ends: bool) -> Iterator[bytes]:
        place = self._start
        while place < self._end:
            stop = min(place + PIECE, self._end)
            # An escape has two characters: it may not be torn.
            if stop < self._end and self._body[stop - 1 : stop] == b"\\":
                stop += 1
            raw = self._body[place:stop]
            place = stop
            if b"\\" in raw:
                raw = raw.replace(b"\\/", b"/")
                raw = raw.replace(b"\\r", b"\r" if line_ends else b"").replace(b"\\n", b"\n" if line_ends else b"")
            yield raw

    def decode(self) -> SpooledBytes:
        """The bytes. Raises WrongEndError."""
        file = TemporaryFile()  # noqa: SIM115  it goes with the result
        try:
            size, digest = self._decode_into(file)
        except BaseException:
            file.close()
            raise
        return SpooledBytes(file=file, size=size, digest=digest)

    def _decode_into(self, file: IO[bytes]) -> tuple[int, bytes]:
        """Write the bytes; their number and SHA-256."""
        digest, size, rest, last = sha256(), 0, b"", b""
        for piece in self._pieces(line_ends=False):
            data = rest + piece
            whole = len(data) // 4 * 4
            rest = data[whole:]
            if not whole:
                continue
            if last.endswith(b"="):
                raise WrongEndError
            last = data[whole - 4 : whole]
            decoded = b64decode(data[:whole], validate=True)
            if len(decoded) < whole // 4 * 3 - 2:
                raise WrongEndError
            file.write(decoded)
            digest.update(decoded)
            size += len(decoded)
        if rest or b64encode(b64decode(last)) != last:
            raise WrongEndError
        file.flush()
        return size, digest.digest()
