"""Taking in one message's bytes after DATA.

aiosmtpd's own way keeps an object for each line, so that 40 MiB of empty lines would fill the memory, and lets bare CR
and LF through. Here the bytes stay bytes, and scanning them runs at memory speed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

# The largest mail that the service itself composes: 40 MiB of files in base64 lines, and the bodies.
MESSAGE_BYTES = 64 * 1024 * 1024
# All messages that are being received or stored, together; more is refused for now.
BUFFERED_BYTES = 256 * 1024 * 1024
LINE_BYTES = 1000  # with its CRLF (RFC 5321, 4.5.3.1.6)
TERMINATOR = b"\r\n.\r\n"
EVERYTHING = 2**30  # more than a reader ever holds

TOO_LARGE = "552 5.3.4 The message is larger than is taken here"
TOO_BUSY = "452 4.3.1 Too much mail at once, try again later"
TOO_LONG = f"554 5.6.0 A line is longer than {LINE_BYTES - 2} octets (RFC 5321, 4.5.3.1.6)"
BARE_LINE_END = "554 5.6.0 Bare CR or LF in the message: every line ends in CRLF (RFC 5321, 2.3.8)"


class Budget:
    """How many bytes one message may have, and all that are being received or stored together."""

    def __init__(self, limit: int = BUFFERED_BYTES, message_limit: int = MESSAGE_BYTES) -> None:
        self.limit = limit
        self.message_limit = message_limit
        self.buffered = 0


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as it came, dots still stuffed, after one CRLF that is not its own; or why it was not kept."""

    data: bytearray
    refusal: str


@asynccontextmanager
async def take_message(reader: asyncio.StreamReader, budget: Budget) -> AsyncIterator[ReceivedMessage]:
    """Read up to the final dot, whatever happens (RFC 5321, 4.2.5: the reply comes after it).

    While inside, the message counts against the budget. Commands that follow the dot stay in the reader (RFC 2920).
    """
    # The DATA command's own line end is the terminator's first half when the message is empty.
    data = bytearray(b"\r\n")
    counted, refusal, scanned = 0, "", 0
    try:
        while (end := data.find(TERMINATOR, scanned)) < 0:
            if not refusal:
                refusal = judge_size(len(data), budget)
            if refusal:
                budget.buffered, counted = budget.buffered - counted, 0
                del data[:-4]
            scanned = max(len(data) - 4, 0)
            chunk = await reader.read(EVERYTHING)
            if not chunk:
                raise ConnectionResetError
            data += chunk
            if not refusal:
                budget.buffered, counted = budget.buffered + len(chunk), counted + len(chunk)
        if following := bytes(data[end + len(TERMINATOR) :]):
            reader.feed_data(following)
        del data[end + 2 :]
        yield ReceivedMessage(data, refusal or judge_size(len(data) - 2, budget))
    finally:
        budget.buffered -= counted


def judge_size(length: int, budget: Budget) -> str:
    """Why so much is not taken, or nothing."""
    if length > budget.message_limit:
        return TOO_LARGE
    return TOO_BUSY if budget.buffered > budget.limit else ""


def judge_lines(content: bytes) -> str:
    """Why these lines are not taken, or nothing.

    Bare CR and LF mean different things to different servers, which is how mail is smuggled; the large ones refuse
    them, so this one shows it early.
    """
    # Where every line ends well, each of the two occurs as often as the pair.
    pairs = content.count(b"\r\n")
    if content.count(b"\r") != pairs or content.count(b"\n") != pairs:
        return BARE_LINE_END
    start = 0
    while start + LINE_BYTES < len(content):
        # From the last line end within reach: a few hundred octets per step, however short the lines are.
        start = content.rfind(b"\n", start, start + LINE_BYTES) + 1
        if not start:
            return TOO_LONG
    return ""


def open_message(data: bytearray, is_strict: bool) -> tuple[bytes, str]:
    """The message as its sender wrote it, and why it is not taken, or nothing. `is_strict`: its lines are judged."""
    content = unstuff(data)
    return content, judge_lines(content) if is_strict else ""


def unstuff(data: bytearray) -> bytes:
    """The message without stuffed dots (RFC 5321, 4.5.2), and without the CRLF before it."""
    return bytes(data.replace(b"\r\n.", b"\r\n")[2:])
