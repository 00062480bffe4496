"""One connection to the sink: the part of SMTP that our transports use."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drills.stand_ins.rules import Act, Drop, Hold, ReplyWith, SinkMail, Stage, Wait

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
OFFERS = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 67108864\r\n250 8BITMIME\r\n"
END = b"\r\n.\r\n"


class DroppedError(ConnectionError):
    """The rule demands that the connection be closed."""


# RFC 5321, 3.8: the service closes the channel.
CLOSING = "421"


@dataclass(frozen=True, kw_only=True)
class House:
    """The sink as a conversation sees it: the rule, the count of earlier mail, the journal, and holds."""

    ask: Callable[[Stage, SinkMail], Act]
    count: Callable[[str], int]
    note: Callable[[SinkMail], Awaitable[None]]
    hold: Callable[[Stage, SinkMail], Awaitable[None]]


class Conversation:
    """Raises ConnectionError or IncompleteReadError if the connection breaks, which drills do on purpose."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house = house
        self._reader = reader
        self._writer = writer
        self._mail: SinkMail | None = None

    async def run(self) -> None:
        """Runs until QUIT or the end of the connection."""
        if not await self._greet():
            return
        while line := await self._reader.readline():
            match line[:4].upper():
                case b"EHLO":
                    self._writer.write(OFFERS)
                case b"RCPT":
                    await self._begin_mail(line)
                case b"DATA":
                    await self._take_content()
                case b"QUIT":
                    self._say("221 2.0.0 bye")
                    await self._writer.drain()
                    return
                case _:
                    self._say("250 2.0.0 ok")

    async def _greet(self) -> bool:
        """Whether the conversation begins."""
        mail = SinkMail(address="", earlier_count=self._house.count(""), peer_port=self._peer_port)
        return await self._play(self._house.ask(Stage.GREETING, mail), Stage.GREETING, mail, "220 sink.test ESMTP")

    @property
    def _peer_port(self) -> int:
        return int(self._writer.get_extra_info("peername")[1])

    def _say(self, text: str) -> None:
        if text:
            self._writer.write(text.encode() + b"\r\n")

    async def _play(self, act: Act, stage: Stage, mail: SinkMail, usual: str) -> bool:
        """Answer as the rule demands; returns whether the transaction continues."""
        match act:
            case ReplyWith(text):
                self._say(text)
                if text.startswith(CLOSING):
                    await self._writer.drain()
                    raise DroppedError
                return False
            case Drop():
                raise DroppedError
            case Hold():
                await self._house.hold(stage, mail)
            case Wait(seconds):
                await asyncio.sleep(seconds)
        self._say(usual)
        return True

    async def _begin_mail(self, line: bytes) -> None:
        address = line[line.index(b"<") + 1 : line.index(b">")].decode()
        mail = SinkMail(address=address, earlier_count=self._house.count(address), peer_port=self._peer_port)
        is_taken = await self._play(self._house.ask(Stage.RCPT, mail), Stage.RCPT, mail, "250 2.1.5 ok")
        self._mail = mail if is_taken else None

    async def _take_content(self) -> None:
        mail, self._mail = self._mail, None
        if mail is None:
            self._say("503 5.5.1 no recipient")
        elif await self._play(self._house.ask(Stage.DATA, mail), Stage.DATA, mail, "354 go ahead"):
            content = await self._read_content(mail)
            found = MESSAGE_ID.search(content)
            mail.message_id = found[1].decode() if found else ""
            act = self._house.ask(Stage.DOT, mail)
            if not isinstance(act, ReplyWith):
                await self._house.note(mail)
            await self._play(act, Stage.DOT, mail, "250 2.0.0 noted")

    async def _read_content(self, mail: SinkMail) -> bytes:
        first = await self._reader.readexactly(1)
        act = self._house.ask(Stage.CONTENT, mail)
        if act is not None:
            # The reader would keep filling its buffer: unread data must stay with the sender.
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]
            await self._play(act, Stage.CONTENT, mail, "")
            self._writer.transport.resume_reading()  # type: ignore[attr-defined]
        return first + await self._reader.readuntil(END)
