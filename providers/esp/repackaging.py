"""The stored mail sorted into calls, and its files as services take them: most ESPs take no bytes, but parts."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.envelope import Delivery
from delivery.mime.attachments import Attachment, bare_content_id, declare_type, decode_text, list_inline_ids
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent

# Words with single spaces between: parsers fold what is not quoted.
PLAIN_NAME = re.compile(r"""[^\s()<>\[\]:;@\\,."']+(?: [^\s()<>\[\]:;@\\,."']+)*""")


@dataclass(frozen=True, slots=True, kw_only=True)
class EspCall:
    """What one call hands over: the same mail for some recipients. `to`, `cc` and `bcc` are the call's fields."""

    deliveries: Sequence[Delivery]
    message: MessageContent
    to: Sequence[Mailbox]
    cc: Sequence[Mailbox] = ()
    bcc: Sequence[Mailbox] = ()

    @property
    def ids(self) -> tuple[UUID, ...]:
        return tuple(delivery.recipient_id for delivery in self.deliveries)

    @property
    def content(self) -> bytes:
        return self.deliveries[0].content


@dataclass(slots=True, kw_only=True)
class EspFile:
    """A file in the form of django-anymail's own attachments.

    `content_type` is whole, as in our own bytes; `b64content_utf8` is the content for services that take every text for
    UTF-8.
    """

    name: str
    mimetype: str
    content_type: str
    charset: str | None
    b64content: str
    b64content_utf8: str
    inline: bool
    cid: str


def build_file(attachment: Attachment, *, is_inline: bool) -> EspFile:
    """The file for a service, its content and type as declared; a text in another charset also as UTF-8."""
    declared = declare_type(attachment)
    charset = declared.get("charset").lower()
    b64content = b64encode(attachment.content).decode("ascii")
    b64content_utf8 = b64content
    if declared.media_type.startswith("text/") and charset not in {"", "utf-8"}:
        text = decode_text(attachment.content, charset)
        if text is not None:
            b64content_utf8 = b64encode(text.encode("utf-8")).decode("ascii")
    return EspFile(
        name=attachment.filename,
        mimetype=declared.media_type,
        content_type=str(declared),
        charset=charset or None,
        b64content=b64content,
        b64content_utf8=b64content_utf8,
        inline=is_inline,
        cid=bare_content_id(attachment.content_id) if is_inline else "",
    )


def build_files(message: MessageContent) -> list[EspFile]:
    """The files of a mail; those that its HTML shows are inline."""
    shown_ids = list_inline_ids(message.attachments, message.html)
    return [build_file(each, is_inline=bare_content_id(each.content_id) in shown_ids) for each in message.attachments]


def group_calls(deliveries: Sequence[Delivery], *, takes_envelope: bool) -> list[EspCall]:
    """The calls for one message's deliveries: those with the same content together, as far as the ESP allows.

    `takes_envelope` as in `providers.esp.model.Esp`.
    """
    groups: dict[bytes, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(delivery.content, []).append(delivery)
    return [esp_call for group in groups.values() for esp_call in build_calls(group, takes_envelope=takes_envelope)]


def build_calls(group: Sequence[Delivery], *, takes_envelope: bool) -> list[EspCall]:
    """One call; and one for each blind copy that would else be seen by another one."""
    message = group[0].message
    assert message is not None, "the composer gives the message beside its bytes"
    if takes_envelope:
        to = [Mailbox(address=delivery.address) for delivery in group]
        return [EspCall(deliveries=group, message=message, to=to)]
    wanted = {delivery.address.lower() for delivery in group}
    to = [mailbox for mailbox in message.to if mailbox.address.lower() in wanted]
    cc = [mailbox for mailbox in message.cc if mailbox.address.lower() in wanted]
    shown = {mailbox.address.lower() for mailbox in (*to, *cc)}
    hidden = [delivery for delivery in group if delivery.address.lower() not in shown]
    if not shown:
        return [EspCall(deliveries=[one], message=message, to=[Mailbox(address=one.address)]) for one in hidden]
    # An ESP wants somebody in To.
    to, cc = (to, cc) if to else (cc, [])
    bcc = [Mailbox(address=one.address) for one in hidden]
    return [EspCall(deliveries=group, message=message, to=to, cc=cc, bcc=bcc)]


def write_mailbox(mailbox: Mailbox) -> str:
    """`a@b.c`, `Name <a@b.c>` or `"Name, Ltd." <a@b.c>`, in any letters. A parser reads it back to the letter."""
    if not mailbox.name:
        return mailbox.address
    if PLAIN_NAME.fullmatch(mailbox.name):
        return f"{mailbox.name} <{mailbox.address}>"
    escaped = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{mailbox.address}>'
