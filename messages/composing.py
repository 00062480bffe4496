"""From rows to the bytes that go over the wire.

Every try of a message is built from the same stored inputs, so its bytes are the same: Message-ID, Date and boundaries
do not depend on when or by whom it is composed.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db.models import Prefetch

from delivery.envelope import Delivery
from delivery.mime import Content, Prepared, prepare
from delivery.mime_headers import Mailbox
from delivery.mime_parts import Attachment as MimeAttachment
from messages.attachments import read_content
from messages.claims import Claim
from messages.models import Attachment, Message, Recipient


class Composer:
    """The messages of one batch of claims, read with three queries; what their recipients share is encoded once."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        ids = {claim.message_id for claim in claims}
        self._messages = {message.pk: message for message in read_messages(ids)}
        self._prepared: dict[UUID, Prepared] = {}

    def compose(self, claim: Claim) -> Delivery:
        """One recipient's envelope and message. Raises HeaderError, BodyError or AttachmentTypeError."""
        message = self._messages[claim.message_id]
        prepared = self._prepared.get(message.pk)
        if prepared is None:
            prepared = self._prepared[message.pk] = prepare(content_of(message))
        return Delivery(
            recipient_id=claim.recipient_id,
            message_id=message.pk,
            return_path=message.from_address,
            address=claim.address,
            content=prepared.render(),
            attempt_number=claim.number,
        )


def read_messages(ids: set[UUID]) -> Iterator[Message]:
    """Messages with what their headers and parts need."""
    return (
        Message.objects.filter(pk__in=ids)
        .prefetch_related(
            Prefetch("recipients", Recipient.objects.exclude(kind=Recipient.Kind.BCC).order_by("position")),
            Prefetch("attachments", Attachment.objects.select_related("content")),
        )
        .iterator(chunk_size=200)
    )


def content_of(message: Message) -> Content:
    """What a message says, from its row. Blind copies are envelope only and appear nowhere."""
    shown = list(message.recipients.all())
    return Content(
        from_=Mailbox(name=message.from_name, address=message.from_address),
        to=[mailbox_of(recipient) for recipient in shown if recipient.kind == Recipient.Kind.TO],
        cc=[mailbox_of(recipient) for recipient in shown if recipient.kind == Recipient.Kind.CC],
        reply_to=[Mailbox(**mailbox) for mailbox in message.reply_to],
        subject=message.subject,
        date=message.queued_at or message.created_at,
        message_id=message.message_id.strip("<>"),
        html=message.html or None,
        text=message.text or None,
        headers=list(message.headers.items()),
        attachments=[
            MimeAttachment(
                filename=attachment.filename,
                content_type=attachment.content_type,
                content=read_content(attachment.content),
                content_id=attachment.cid,
            )
            for attachment in message.attachments.all()
        ],
    )


def mailbox_of(recipient: Recipient) -> Mailbox:
    return Mailbox(name=recipient.name, address=recipient.address)


def compose_raw(message: Message, recipient: Recipient) -> bytes:
    """The message as this recipient was or will be sent it."""
    return prepare(content_of(next(iter(read_messages({message.pk}))))).render()
