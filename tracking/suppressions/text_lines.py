"""The lines of an uploaded list, in whatever encoding a spreadsheet or a service wrote it."""

import codecs
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast
from zipfile import BadZipFile, ZipFile

from common.errors import ApiError

# Longer than any valid line. The limit keeps a file without line ends from being read as a whole.
MAX_LINE = 64 * 1024
# The most that an archive may unpack to.
MAX_UNPACKED = 512 * 1024 * 1024
IN_MEMORY = 16 * 1024 * 1024
# An archive begins with its first file, or with its end if it has none.
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
# Those of four bytes first: the mark of UTF-32 begins like that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class InvalidArchiveError(ApiError):
    """The archive cannot be read: it must hold one CSV or JSON file of at most 512 MiB, without a password."""

    code = "invalid_archive"


def read_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a list: UTF-8 or, by its first bytes, UTF-16 or UTF-32; also of the one file in a ZIP archive.

    Bytes that are not UTF-8 stay as lone surrogates, so that their line can be reported. Raises InvalidArchiveError.
    """
    with ExitStack() as opened:
        binary = io.BufferedReader(cast(io.RawIOBase, file))
        if binary.peek(4).startswith(ZIPS):
            binary = io.BufferedReader(cast(io.RawIOBase, unpack(binary, opened)))
        encoding = find_encoding(binary.peek(256)[:256])
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")
        # The caller closes its own file.
        opened.callback(lambda: text.detach().detach())
        try:
            while line := text.readline(MAX_LINE):
                yield line
        except (BadZipFile, zlib.error, EOFError):
            raise InvalidArchiveError from None


def unpack(packed: IO[bytes], opened: ExitStack) -> IO[bytes]:
    """The one file in an archive, such as the rejects.csv that Mandrill exports. `opened` closes it."""
    whole = opened.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115  # `opened` is the manager
    while chunk := packed.read(1024 * 1024):
        whole.write(chunk)
    try:
        archive = opened.enter_context(ZipFile(cast(IO[bytes], whole)))
        files = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX")]
        if len(files) != 1 or files[0].file_size > MAX_UNPACKED:
            raise InvalidArchiveError
        return opened.enter_context(archive.open(files[0]))
    except (BadZipFile, RuntimeError, NotImplementedError, OSError):
        raise InvalidArchiveError from None


def find_encoding(head: bytes) -> str:
    """The encoding by a byte order mark, or by the NUL bytes that ASCII has in UTF-16; otherwise UTF-8."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    whole = head[: len(head) // 2 * 2]
    if whole and whole[1::2].count(0) == len(whole) // 2:
        return "utf-16-le"
    if whole and whole[::2].count(0) == len(whole) // 2:
        return "utf-16-be"
    return "utf-8"
