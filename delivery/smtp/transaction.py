"""One mail on one open session: MAIL, RCPT, DATA, content, dot."""

import re
from collections.abc import Mapping

from delivery.concurrency.async_transport import AsyncBeforeDot
from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.judging.codes import name_status
from delivery.judging.terms import About, Reason, Speaker
from delivery.line_ends import has_only_pairs
from delivery.replies import SmtpReply, classify
from delivery.smtp.config import SmtpConfig
from delivery.smtp.connection import ConnectionBrokenError
from delivery.smtp.session import Session

DOT = b".\r\n"
# Up to this size content and dot are one write, right after the grant. What is larger goes out before the grant is
# asked for, so that the time between grant and dot stays short.
ONE_WRITE = 65_536
CLOSING = 421
ENVELOPE = (Stage.MAIL, Stage.RCPT, Stage.DATA)
# The first digit that lets the transaction go on.
GOES_ON: Mapping[Stage, int] = {Stage.MAIL: 2, Stage.RCPT: 2, Stage.DATA: 3}
# What is written as it is: most ids and addresses are.
_XCHARS = re.compile(r"[!-*,-<>-~]*")


def write_xtext(text: str) -> bytes:
    """Printable ASCII as a parameter's value takes it (RFC 3461, 4)."""
    if _XCHARS.fullmatch(text):
        return text.encode()
    return "".join(char if char not in "+=" and "!" <= char <= "~" else f"+{ord(char):02X}" for char in text).encode()


class SmtpSeconds:
    """The configured deadlines as the hot path wants them."""

    def __init__(self, config: SmtpConfig) -> None:
        times = config.timeouts
        self.of_stage: Mapping[Stage, float] = {
            Stage.MAIL: times.mail.total_seconds(),
            Stage.RCPT: times.rcpt.total_seconds(),
            Stage.DATA: times.data.total_seconds(),
            Stage.DOT: times.dot.total_seconds(),
        }
        self.of_block = times.block.total_seconds()


class Transaction:
    """Hands one `delivery` over on `session`, once.

    Afterwards `is_line_usable` tells whether the session may be kept, and `is_stale` that a kept one had ended before
    the server said anything about this mail: the mail is to be tried on a new one.
    """

    __slots__ = (
        "_before_dot",
        "_connection",
        "_delivery",
        "_has_answered",
        "_is_final",
        "_seconds",
        "_session",
        "_stage",
        "is_line_usable",
        "is_stale",
    )

    def __init__(
        self,
        session: Session,
        delivery: Delivery,
        seconds: SmtpSeconds,
        *,
        before_dot: AsyncBeforeDot,
        is_final: bool,
    ) -> None:
        self._before_dot = before_dot
        self._session = session
        self._connection = session.connection
        self._delivery = delivery
        self._seconds = seconds
        self._stage = Stage.MAIL
        self._has_answered = False
        self._is_final = is_final
        self.is_line_usable = False
        self.is_stale = False

    async def run(self) -> Reply | None:
        """The server's reply, or what is to be said in its place; None when the mail was not ours to send any more."""
        problem = self._check_limits()
        if problem is not None:
            self.is_line_usable = True
            return problem
        was_kept = self._session.message_count > 0
        if self._delivery.clock.begun_at is None:
            self._delivery.clock.begin()
        self._session.message_count += 1
        try:
            offer = self._offer_together if self._session.can_pipeline else self._offer_stepwise
            refusal = await offer()
            # A 421 in place of MAIL's answer was said to a line that had been idle too long, or used too often.
            self.is_stale = was_kept and refusal is not None and refusal.code == CLOSING and refusal.stage is Stage.MAIL
            return refusal or (await self._send_content())
        except ConnectionBrokenError as error:
            self.is_stale = was_kept and not self._has_answered
            return self._build_reply(Outcome.DEFERRED, str(error))

    def _check_limits(self) -> Reply | None:
        session, content = self._session, self._delivery.content
        if session.size_limit and len(content) > session.size_limit:
            text = f"the message has {len(content)} bytes, the server takes {session.size_limit}"
            return self._build_reply(Outcome.FAILED, text, "5.3.4")
        if not session.can_8bit and not content.isascii():
            return self._build_reply(Outcome.FAILED, "the content is 8-bit, the server takes 7-bit only", "5.6.3")
        return None

    def _list_commands(self) -> tuple[bytes, bytes, bytes]:
        session, delivery = self._session, self._delivery
        mail = b"MAIL FROM:<%b>" % delivery.return_path.encode("ascii")
        if session.has_size:
            mail += b" SIZE=%d" % len(delivery.content)
        if session.can_8bit and not delivery.content.isascii():
            mail += b" BODY=8BITMIME"
        rcpt = b"RCPT TO:<%b>" % delivery.address.encode("ascii")
        # From the recipient's own server no report of success is wanted: its 250 is one.
        if session.can_dsn and delivery.envelope_id and not self._is_final:
            mail += b" RET=HDRS ENVID=" + write_xtext(delivery.envelope_id)
            rcpt += b" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;" + write_xtext(delivery.address)
        return mail + b"\r\n", rcpt + b"\r\n", b"DATA\r\n"

    async def _read(self, stage: Stage) -> SmtpReply:
        self._stage = stage
        answer = await self._connection.read_reply(self._seconds.of_stage[stage])
        self._has_answered = True
        return answer

    async def _offer_stepwise(self) -> Reply | None:
        """The envelope, one command at a time; None when the server waits for the content."""
        await self._clean_up()
        for stage, command in zip(ENVELOPE, self._list_commands(), strict=True):
            self._stage = stage
            await self._connection.write(command, self._seconds.of_stage[stage])
            answer = await self._read(stage)
            if answer.code // 100 != GOES_ON[stage]:
                return self._conclude(answer)
            self._session.is_dirty = True
        return None

    async def _clean_up(self) -> None:
        if self._session.is_dirty:
            await self._connection.write(b"RSET\r\n", self._seconds.of_stage[Stage.MAIL])
            await self._read_reset()

    async def _read_reset(self) -> None:
        answer = await self._connection.read_reply(self._seconds.of_stage[Stage.MAIL])
        if answer.code // 100 != 2:
            raise ConnectionBrokenError(f"the server refused RSET: {answer.code}")
        self._session.is_dirty = False

    async def _offer_together(self) -> Reply | None:
        """The envelope in one write (RFC 2920); None when the server waits for the content."""
        reset = b"RSET\r\n" if self._session.is_dirty else b""
        await self._connection.write(reset + b"".join(self._list_commands()), self._seconds.of_stage[Stage.MAIL])
        if reset:
            await self._read_reset()
        codes: list[int] = []
        refusal: Reply | None = None
        for stage in ENVELOPE:
            try:
                answer = await self._read(stage)
            except ConnectionBrokenError:
                if refusal is None:
                    raise
                return refusal
            codes.append(answer.code)
            if refusal is None and answer.code // 100 != GOES_ON[stage]:
                refusal = self._conclude(answer)
            if answer.code == CLOSING:
                return refusal
        self._session.is_dirty = codes[0] // 100 == 2
        if refusal is not None and codes[2] // 100 == 3:
            await self._end_empty_data(codes[1])
        return refusal

    async def _end_empty_data(self, rcpt_code: int) -> None:
        """The server wants content for a mail that it refused. A lone dot ends that (RFC 2920, 3.1), unless it took
        the recipient, who would get an empty mail: then only closing the line helps.
        """
        self.is_line_usable = False
        if rcpt_code // 100 == 2:
            return
        try:
            await self._connection.write(DOT, self._seconds.of_block)
            answer = await self._connection.read_reply(self._seconds.of_stage[Stage.DATA])
        except ConnectionBrokenError:
            return
        self.is_line_usable = answer.code != CLOSING

    async def _send_content(self) -> Reply | None:
        self._stage = Stage.DATA
        content = stuff_dots(self._delivery.content, has_pairs=self._delivery.has_pairs)
        if len(content) > ONE_WRITE:
            early = await self._write_content(content)
            if early is not None:
                return self._interrupt(early)
            content = b""
        allowed = await self._before_dot((self._delivery.recipient_id,))
        if self._delivery.recipient_id not in allowed:
            return None
        # The last moment at which a cut can be told from an unknown outcome.
        if not self._connection.is_quiet():
            return self._interrupt(await self._read(Stage.DATA))
        return await self._end_content(content + DOT)

    async def _write_content(self, content: bytes) -> SmtpReply | None:
        """None when all was written; else what the server said before it closed the line."""
        try:
            await self._connection.write(content, self._seconds.of_block)
            return None
        except ConnectionBrokenError as broken:
            try:
                return await self._connection.read_reply(0.0)
            except ConnectionBrokenError:
                raise broken from None

    def _interrupt(self, answer: SmtpReply) -> Reply:
        """The server spoke before the dot: that is its answer, and the end of the line."""
        reply = self._conclude(answer)
        self.is_line_usable = False
        return reply

    async def _end_content(self, rest: bytes) -> Reply:
        try:
            await self._connection.write(rest, self._seconds.of_block)
        except ConnectionBrokenError as error:
            # Bytes that the kernel did not take were not sent; a TLS record may have been, whatever was reported.
            if error.unsent >= len(DOT) and not self._connection.is_tls:
                raise
            return self._build_reply(Outcome.UNCERTAIN, f"while the final dot was written: {error}")
        try:
            answer = await self._read(Stage.DOT)
        except ConnectionBrokenError as error:
            return self._build_reply(Outcome.UNCERTAIN, f"after the final dot: {error}")
        self._session.is_dirty = False
        return self._conclude(answer)

    def _conclude(self, answer: SmtpReply) -> Reply:
        reply = classify(answer, stage=self._stage, peer=self._session.peer, is_final=self._is_final)
        # Out of step (a 2xx where a 3xx belongs) is as bad as gone.
        kind = answer.code // 100
        self.is_line_usable = answer.code != CLOSING and (kind in {4, 5} or (kind == 2 and self._stage is Stage.DOT))
        return reply

    def _build_reply(self, outcome: Outcome, text: str, enhanced_code: str = "") -> Reply:
        peer = self._session.peer
        subjects = {
            Outcome.DEFERRED: About.SERVER if self._is_final else About.PROVIDER,
            Outcome.FAILED: About.MESSAGE,
        }
        return Reply(
            outcome=outcome,
            speaker=Speaker.SERVER if self._is_final else Speaker.RELAY,
            reason=name_status(enhanced_code) or Reason.NETWORK,
            about=subjects.get(outcome),
            stage=self._stage,
            enhanced_code=enhanced_code,
            text=text,
            remote_host=peer.remote_host,
            tls=peer.tls,
            has_reached=self._has_answered,
        )


_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"\n\.")


def stuff_dots(content: bytes, *, has_pairs: bool = False) -> bytes:
    """`content` as it goes over the wire, without the final dot (RFC 5321, 4.5.2). It ends with CRLF.

    A lone CR or LF becomes CRLF: sent as it is, it may end the mail early for some servers (SMTP smuggling). With
    `has_pairs` it has none.
    """
    if not (content.endswith(b"\r\n") and (has_pairs or has_only_pairs(content))):
        content = _LINE_END.sub(b"\r\n", content)
        content += b"" if content.endswith(b"\r\n") else b"\r\n"
    if _DOT.search(content):
        content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content
