"""The stored inputs of messages, plain rows: model instances would cost more than the composing.

Files and large bodies are read when their message's turn comes: a claim may name 200 messages of 40 MiB.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.mime.attachments import Attachment as MimeAttachment
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent
from delivery.simulator.script import TIME_SCALE_HEADER
from ledger.sql import Prepared, as_ids, fetch, fetch_as, fetch_large
from messages.attachments import read_content
from messages.models import AttachmentContent, Content, Message, Recipient, RecipientField
from messages.sending.personalisation import TrackingOptions
from messages.sending.stream_headers import list_stream_headers
from messages.states import OnUncertain
from tracking.suppressions.erased import ERASED_DOMAIN

# What is larger, as sent, counts for the limit of a worker child. Smaller mail is bounded by its number.
LARGE_BYTES = 65_536


class SourceGoneError(OSError):
    """The message or one of its files was deleted after its claim."""


class StoredFile(NamedTuple):
    """A file of a message without its bytes, which the row `content_id` of AttachmentContent has."""

    filename: str
    content_type: str
    cid: str
    content_id: UUID
    size: int


@dataclass(slots=True, kw_only=True)
class MessageSource:
    """The stored inputs of a message. `html` and `text` are empty when they are large: `read_message` has them."""

    id: UUID
    project_id: UUID
    domain_id: UUID | None
    from_name: str
    from_address: str
    reply_to: str
    subject: str
    html: str
    text: str
    headers: str
    track_opens: bool
    track_clicks: bool
    stream: str
    enable_unsubscribe: bool
    on_uncertain: OnUncertain
    tracked_places: Sequence[int] | None
    header_recipients: str | None
    date: datetime
    body_size: int
    mailboxes: dict[str, list[Mailbox]] = field(default_factory=lambda: defaultdict(list))
    files: list[StoredFile] = field(default_factory=list)

    @property
    def sent_size(self) -> int:
        """About the size of the mail as sent. Base64 makes 78 bytes of 57."""
        return (self.body_size + sum(file.size for file in self.files)) * 78 // 57

    @property
    def is_large(self) -> bool:
        return self.sent_size > LARGE_BYTES

    def content(self, html: str, text: str, attachments: Sequence[MimeAttachment]) -> MessageContent:
        """The content for MIME. Blind copies are in the envelope only, so no header names them."""
        return MessageContent(
            from_=Mailbox(name=self.from_name, address=self.from_address),
            to=self.mailboxes[RecipientField.TO],
            cc=self.mailboxes[RecipientField.CC],
            reply_to=[Mailbox(**mailbox) for mailbox in read_list(self.reply_to)],
            subject=self.subject,
            date=self.date,
            message_id=f"{self.id}@{self.from_address.rpartition('@')[2]}",
            html=html or None,
            text=text or None,
            headers=self.list_headers(),
            attachments=attachments,
        )

    def list_headers(self) -> list[tuple[str, str]]:
        """The caller's own header fields, then those that name the stream."""
        own = [(name, value) for name, value in read_list(self.headers) if name != TIME_SCALE_HEADER]
        return own + list_stream_headers(
            project_id=self.project_id,
            stream=self.stream,
            sender_domain=self.from_address.rpartition("@")[2],
            offers_opt_out=self.enable_unsubscribe,
            given=[name for name, _ in own],
        )

    @property
    def is_personal(self) -> bool:
        """Whether each recipient gets a copy of its own."""
        return self.track_opens or self.track_clicks or self.enable_unsubscribe

    def tracking_options(self, host: str | None, mailto: str | None) -> TrackingOptions:
        """What the caller opted in to; `host` is the sending domain's own for it, `mailto` the unsubscribe address."""
        return TrackingOptions(
            track_opens=self.track_opens,
            track_clicks=self.track_clicks,
            enable_unsubscribe=self.enable_unsubscribe,
            host=host,
            mailto=mailto,
            places=self.tracked_places or (),
        )


def read_list(text: str) -> Sequence[Any]:
    """A stored JSON list, which most messages have empty."""
    return () if text == "[]" else json.loads(text)


def build_source(message: Message, content: Content, recipients: Iterable[Recipient]) -> MessageSource:
    """The inputs of a message that is not stored, without its files. Its date is the time at which it would leave."""
    source = MessageSource(
        id=message.pk,
        project_id=message.project_id,
        domain_id=message.domain_id,
        from_name=message.from_name,
        from_address=message.from_address,
        reply_to=json.dumps(message.reply_to),
        subject=message.subject,
        html=content.html,
        text=content.text,
        headers=json.dumps(message.headers),
        track_opens=message.track_opens,
        track_clicks=message.track_clicks,
        stream=message.stream,
        enable_unsubscribe=message.enable_unsubscribe,
        on_uncertain=OnUncertain(message.on_uncertain),
        tracked_places=content.tracked_places,
        header_recipients=None if content.header_recipients is None else json.dumps(content.header_recipients),
        date=message.dated_at or message.scheduled_at or message.created_at,
        body_size=len(content.html.encode()) + len(content.text.encode()),
    )
    for row in recipients:
        source.mailboxes[row.kind].append(Mailbox(name=row.name, address=row.address))
    return source


_MESSAGES = Prepared(
    f"""
SELECT m.id, project_id, domain_id, from_name, from_address, reply_to, subject,
       CASE WHEN body_size <= {LARGE_BYTES} THEN html ELSE '' END AS html,
       CASE WHEN body_size <= {LARGE_BYTES} THEN text ELSE '' END AS text,
       headers, track_opens, track_clicks, stream, enable_unsubscribe, on_uncertain, tracked_places,
       header_recipients,
       COALESCE(dated_at, queued_at, created_at) AS date, body_size
FROM mail_message m JOIN mail_content c ON c.message_id = m.id,
     LATERAL (SELECT octet_length(html) + octet_length(text) AS body_size) size
WHERE m.id = ANY(%s::uuid[])
"""  # noqa: S608 - built from a constant of this module
)
# Erased recipients of a message that goes out to others are not named.
_MAILBOXES = Prepared(f"""
SELECT message_id, kind, name, address FROM mail_recipient
WHERE message_id = ANY(%s::uuid[]) AND kind <> %s AND domain <> '{ERASED_DOMAIN}' ORDER BY message_id, position
""")  # noqa: S608 - a constant
_FILES = Prepared("""
SELECT a.message_id, a.filename, a.content_type, a.cid, a.content_id, c.size
FROM mail_attachment a JOIN mail_attachmentcontent c ON c.id = a.content_id
WHERE a.message_id = ANY(%s::uuid[]) ORDER BY a.message_id, a.position
""")
_BODIES = "SELECT html, text FROM mail_content WHERE message_id = %s"
_BYTES = "SELECT data, storage_name FROM mail_attachmentcontent WHERE id = %s"


def read_sources(ids: Collection[UUID]) -> dict[UUID, MessageSource]:
    """Read the messages with these ids, in three queries for any number."""
    wanted = as_ids(ids)
    sources = {source.id: source for source in fetch_as(MessageSource, _MESSAGES, [wanted])}
    for message_id, kind, name, address in fetch(_MAILBOXES, [wanted, RecipientField.BCC]):
        sources[message_id].mailboxes[kind].append(Mailbox(name=name, address=address))
    for source in sources.values():
        if source.header_recipients:
            source.mailboxes = read_header_recipients(source.header_recipients)
    for message_id, *columns in fetch(_FILES, [wanted]):
        sources[message_id].files.append(StoredFile(*columns))
    return sources


def read_header_recipients(stored: str) -> dict[str, list[Mailbox]]:
    """What To and Cc show where they differ from the recipients, by kind."""
    shown = json.loads(stored)
    return {kind: [Mailbox(**mailbox) for mailbox in shown[kind]] for kind in (RecipientField.TO, RecipientField.CC)}


def read_message(source: MessageSource) -> MessageContent:
    """The whole content of a message. Small mail without files needs no query.

    Raises SourceGoneError, and StorageAwayError when the storage of attachments cannot be read.
    """
    html, text = source.html, source.text
    if source.body_size > LARGE_BYTES:
        html, text = read_row(_BODIES, source.id)
    return source.content(html, text, [read_file(file) for file in source.files])


def read_file(file: StoredFile) -> MimeAttachment:
    data, storage_name = read_row(_BYTES, file.content_id)
    return MimeAttachment(
        filename=file.filename,
        content_type=file.content_type,
        content=read_content(AttachmentContent(data=data, storage_name=storage_name)),
        content_id=file.cid,
    )


def read_row(sql: str, pk: UUID) -> Sequence[Any]:
    rows = fetch_large(sql, [pk])
    if not rows:
        raise SourceGoneError(f"the row {pk} was deleted")
    return rows[0]
