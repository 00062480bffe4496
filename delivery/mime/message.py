"""Build a message as bytes (RFC 5322, MIME). For 50 recipients the common parts are encoded once.

Equal inputs give equal bytes, so that every attempt of a delivery sends the same message.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from delivery.html.plaintext import text_from_html
from delivery.mime.attachments import (
    Attachment,
    AttachmentTypeError,
    attachment_entity,
    bare_content_id,
    is_enclosed_in_eight_bit,
    list_inline_ids,
)
from delivery.mime.bodies import BodyError, text_entity
from delivery.mime.headers import HeaderError, Mailbox, check_name, date, mailboxes, structured, unstructured
from delivery.mime.invitations import find_invitation
from delivery.mime.syntax import write_header
from delivery.records import record

__all__ = [
    "Attachment",
    "AttachmentTypeError",
    "BodyError",
    "HeaderError",
    "Mailbox",
    "MessageContent",
    "PreparedMessage",
    "build",
    "prepare_message",
]

MESSAGE_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
NOBODY = b"To: undisclosed-recipients:;\r\n"  # RFC 5322, 3.4: an empty group, for mail with blind copies only

# Fields that this module or later hops write, or that would reveal blind copies. A caller's field would be a duplicate.
RESERVED = re.compile(
    r"(?:resent-)?(?:from|to|cc|bcc|sender|date|message-id)|reply-to|subject|mime-version|content-.*"
    r"|return-path|received|dkim-signature",
    re.IGNORECASE,
)

Segment = tuple[str, bytes]  # the content ("text", "html", or "" for all else), and its bytes


@record(frozen=True, slots=True, kw_only=True)
class MessageContent:
    """The content of a message, the same for all recipients. Blind copies are in the envelope only.

    `message_id` comes without angle brackets and also seeds the boundaries. `date` has an offset. `html` or `text` is
    given, or both. `headers` are the caller's own, in order.
    """

    from_: Mailbox
    to: Sequence[Mailbox]
    cc: Sequence[Mailbox] = ()
    reply_to: Sequence[Mailbox] = ()
    subject: str
    date: datetime
    message_id: str
    html: str | None = None
    text: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    attachments: Sequence[Attachment] = ()


@record(frozen=True, slots=True, kw_only=True)
class PreparedMessage:
    """A message with its common parts encoded; `content` is what it was made from. Thread-safe.

    The HTML of a personal message is encoded only when a recipient gets the common one.
    """

    content: MessageContent
    head: bytes
    segments: tuple[bytes, ...]
    is_personal: bool
    text_at: int
    html_at: int | None
    is_single: bool

    def render(
        self, extra_headers: Sequence[tuple[str, str]] = (), *, html: str | None = None, text: str | None = None
    ) -> bytes:
        """The whole message with CRLF line ends, not dot-stuffed; 7 bit clean but for 8-bit mail attached to it.

        `extra_headers` are for this recipient (List-Unsubscribe); `html` and `text` replace the common ones (`html`
        only if the message has HTML). Raises HeaderError and BodyError.
        """
        segments = list(self.segments)
        if self.html_at is not None and (html is not None or self.is_personal):
            own_html = self.content.html or "" if html is None else html
            segments[self.html_at] = text_entity("html", own_html, is_closing=False)
        if text is not None:
            segments[self.text_at] = text_entity("plain", text, is_closing=self.is_single)
        return b"".join([self.head, *custom_headers(extra_headers), b"MIME-Version: 1.0\r\n", *segments])

    def personalise(
        self, extra_headers: Sequence[tuple[str, str]] = (), html: str | None = None, text: str | None = None
    ) -> MessageContent:
        """The content that `render` writes with these arguments, for ways out that take no bytes."""
        common = self.content
        return replace(
            common,
            headers=[*common.headers, *extra_headers],
            html=common.html if html is None or self.html_at is None else html,
            text=common.text if text is None else text,
        )


def build(content: MessageContent, extra_headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The message for one recipient: see `prepare_message` and `PreparedMessage.render`."""
    return prepare_message(content).render(extra_headers)


def prepare_message(content: MessageContent, *, is_personal: bool = False) -> PreparedMessage:
    """Encode the parts that all recipients share; with `is_personal` each has HTML of its own.

    Text alone is text/plain. HTML is multipart/alternative with the text, which is made from the HTML when missing.
    An invitation among the attachments is the last alternative, too. Attachments that the HTML shows by `cid:` join it
    in a multipart/related; all others need a multipart/mixed.
    Raises HeaderError, BodyError and AttachmentTypeError; ValueError when there is neither text nor HTML.
    """
    message_head = head(content)
    segments = lay_out(content, is_personal=is_personal)
    kinds = [kind for kind, _ in segments]
    return PreparedMessage(
        content=content,
        head=message_head,
        segments=tuple(data for _, data in segments),
        is_personal=is_personal,
        text_at=kinds.index("text"),
        html_at=kinds.index("html") if "html" in kinds else None,
        is_single=len(segments) == 1,
    )


def head(content: MessageContent) -> bytes:
    """The common header fields, from From to the caller's own."""
    if not MESSAGE_ID.fullmatch(content.message_id):
        raise HeaderError("Message-ID", "must have the form id@domain")
    return b"".join(
        [
            mailboxes("From", [content.from_]),
            mailboxes("To", content.to) or (b"" if content.cc else NOBODY),
            mailboxes("Cc", content.cc),
            mailboxes("Reply-To", content.reply_to),
            unstructured("Subject", content.subject),
            date("Date", content.date),
            structured("Message-ID", f"<{content.message_id}>"),
            *custom_headers(content.headers),
        ]
    )


def custom_headers(headers: Sequence[tuple[str, str]]) -> list[bytes]:
    """The caller's own fields; HeaderError for one that is reserved to the service."""
    fields = []
    for name, value in headers:
        check_name(name)
        if RESERVED.fullmatch(name):
            raise HeaderError(name, "is written by the service")
        fields.append(write_header(name, value))
    return fields


def lay_out(content: MessageContent, *, is_personal: bool) -> list[Segment]:
    """The body's entities in order; text and HTML are separate segments. The HTML of a personal message is left out."""
    html, text = content.html, content.text
    if text is None:
        if html is None:
            raise ValueError("a message needs html or text")
        text = text_from_html(html)
    is_single = html is None and not content.attachments
    seed = sha256(content.message_id.encode("ascii")).hexdigest()[:32]
    bodies = [[("text", text_entity("plain", text, is_closing=is_single))]]
    shown: list[list[Segment]] = []
    if html is not None:
        shown.append([("html", b"" if is_personal else text_entity("html", html, is_closing=False))])
    if not content.attachments:
        whole = multipart("alternative", f"a{seed}", [*bodies, *shown])
        return whole if is_single else [*whole, ("", b"\r\n")]
    inline, attached = sort_attachments(content)
    if shown:
        bodies.append(multipart('related;\r\n type="text/html"', f"r{seed}", [*shown, *inline]))
    if invitation := find_invitation(content.attachments):
        bodies.append([("", text_entity(invitation.subtype, invitation.text, is_closing=False))])
    entities = [multipart("alternative", f"a{seed}", bodies), *attached]
    is_eight_bit = any(map(is_enclosed_in_eight_bit, content.attachments))
    return [*multipart("mixed", f"m{seed}", entities, is_eight_bit=is_eight_bit), ("", b"\r\n")]


def sort_attachments(content: MessageContent) -> tuple[list[list[Segment]], list[list[Segment]]]:
    """The entities of the attachments that the HTML shows, and of all others."""
    inline: list[list[Segment]] = []
    attached: list[list[Segment]] = []
    shown_ids = list_inline_ids(content.attachments, content.html)
    for part in content.attachments:
        is_inline = bare_content_id(part.content_id) in shown_ids
        entity = attachment_entity(part, is_inline=is_inline)
        (inline if is_inline else attached).append([("", data) for data in entity])
    return inline, attached


def multipart(
    subtype: str, seed: str, entities: Sequence[list[Segment]], *, is_eight_bit: bool = False
) -> list[Segment]:
    """`entities` in one multipart without a last line end; a single entity is returned unchanged.

    The boundary holds `=_`, which neither quoted-printable nor base64 can produce (RFC 2045, 6.7), and 7bit bodies with
    a line that begins like it are not sent as 7bit.
    """
    if len(entities) == 1:
        return entities[0]
    boundary = f"=_{seed}"
    delimiter = f"\r\n--{boundary}\r\n".encode("ascii")
    segments = [("", f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n'.encode("ascii"))]
    if is_eight_bit:
        segments.append(("", b"Content-Transfer-Encoding: 8bit\r\n"))
    for entity in entities:
        segments += [("", delimiter), *entity]
    segments.append(("", f"\r\n--{boundary}--".encode("ascii")))
    return segments
