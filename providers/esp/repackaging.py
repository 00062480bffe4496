"""A composed mail taken apart again, and sorted into calls: most ESPs do not take bytes, but parts.

The bytes are ours (`delivery.mime.message`), so their structure is known.
"""

import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import encoders
from email.message import EmailMessage
from email.mime.base import MIMEBase
from uuid import UUID

from delivery.envelope import Delivery
from delivery.mime.message import RESERVED


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """What a mail says. Mailboxes are `a@b.c` or `Name <a@b.c>`, in any letters; `headers` are the caller's own."""

    from_: str
    to: Sequence[str]
    cc: Sequence[str]
    reply_to: Sequence[str]
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    files: Sequence[MIMEBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class EspCall:
    """What one call hands over: the same mail for some of its recipients. `to`, `cc` and `bcc` are the call's fields,
    as mailboxes.
    """

    deliveries: Sequence[Delivery]
    parsed: ParsedMessage
    to: Sequence[str]
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()

    @property
    def ids(self) -> tuple[UUID, ...]:
        return tuple(delivery.recipient_id for delivery in self.deliveries)

    @property
    def content(self) -> bytes:
        return self.deliveries[0].content


def group_calls(deliveries: Sequence[Delivery], *, takes_envelope: bool) -> list[EspCall]:
    """The calls for one message's deliveries: those with the same content together, as far as the ESP allows.

    `takes_envelope` as in `providers.esp.model.Esp`.
    """
    groups: dict[bytes, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(delivery.content, []).append(delivery)
    return [
        esp_call
        for content, group in groups.items()
        for esp_call in build_call(parse_message(content), group, takes_envelope=takes_envelope)
    ]


def build_call(parsed: ParsedMessage, group: Sequence[Delivery], *, takes_envelope: bool) -> list[EspCall]:
    """One call; and one for each blind copy that would else be seen by another one."""
    if takes_envelope:
        return [EspCall(deliveries=group, parsed=parsed, to=[delivery.address for delivery in group])]
    wanted = {delivery.address.lower() for delivery in group}
    to = [mailbox for mailbox in parsed.to if read_address(mailbox) in wanted]
    cc = [mailbox for mailbox in parsed.cc if read_address(mailbox) in wanted]
    shown = {read_address(mailbox) for mailbox in (*to, *cc)}
    hidden = [delivery for delivery in group if delivery.address.lower() not in shown]
    if not shown:
        return [EspCall(deliveries=[one], parsed=parsed, to=[one.address]) for one in hidden]
    # An ESP wants somebody in To.
    to, cc = (to, cc) if to else (cc, [])
    return [EspCall(deliveries=group, parsed=parsed, to=to, cc=cc, bcc=[one.address for one in hidden])]


def parse_message(content: bytes) -> ParsedMessage:
    """The mail that `content` is."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    bodies, files = {}, []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_content_disposition() is None and kind in {"text/plain", "text/html"} and kind not in bodies:
            bodies[kind] = part.get_content().replace("\r\n", "\n")
        else:
            files.append(build_file(part))
    return ParsedMessage(
        from_=list_mailboxes(message, "From")[0],
        to=list_mailboxes(message, "To"),
        cc=list_mailboxes(message, "Cc"),
        reply_to=list_mailboxes(message, "Reply-To"),
        subject=str(message["Subject"] or ""),
        text=bodies.get("text/plain", ""),
        html=bodies.get("text/html", ""),
        headers={name: str(value) for name, value in message.items() if not RESERVED.fullmatch(name)},
        files=files,
    )


def list_mailboxes(message: EmailMessage, name: str) -> list[str]:
    header = message[name]
    return [str(mailbox) for mailbox in header.addresses] if header is not None else []


def read_address(mailbox: str) -> str:
    """The address of a mailbox, in lower case."""
    return mailbox.rpartition("<")[2].rstrip(">").lower()


def build_file(part: EmailMessage) -> MIMEBase:
    """An attachment in the form that Django's messages take with all its headers."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    maintype, subtype = part.get_content_maintype(), part.get_content_subtype()
    if maintype == "text" and not is_text(content, part.get_content_charset() or "utf-8"):
        # It would be decoded on its way, and cannot be.
        maintype, subtype = "application", "octet-stream"
    file = MIMEBase(maintype, subtype)
    if maintype == "text":
        file.set_param("charset", part.get_content_charset() or "utf-8")
    file.set_payload(content)
    encoders.encode_base64(file)
    file.add_header("Content-Disposition", part.get_content_disposition() or "attachment")
    if filename := part.get_filename():
        file.set_param("filename", filename, header="Content-Disposition", charset="utf-8")
    if content_id := part["Content-ID"]:
        file["Content-ID"] = str(content_id)
    return file


def is_text(content: bytes, charset: str) -> bool:
    try:
        content.decode(charset)
    except (LookupError, ValueError):
        return False
    return True
