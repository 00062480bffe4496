"""Composes messages: from rows to the bytes that go over the wire.

Every attempt composes a message from the same stored inputs and gets the same bytes: Message-ID, Date and boundaries do
not depend on the time or the worker.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from delivery.dkim.signing import sign_all
from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.mime.attachments import Attachment as MimeAttachment
from delivery.mime.attachments import AttachmentTypeError
from delivery.mime.bodies import BodyError
from delivery.mime.headers import HeaderError, Mailbox
from delivery.mime.message import MessageContent, PreparedMessage, prepare_message
from delivery.simulator.script import TIME_SCALE_HEADER
from domains.signing_identities import Identity, identities
from ledger.sql import fetch, fetch_as
from messages.attachments import read_content
from messages.feedback.mail_ids import message_header, recipient_header
from messages.feedback.return_paths import find_return_path
from messages.feedback.unsubscribe_mail import build_mailto
from messages.models import AttachmentContent, Recipient, RecipientField
from messages.sending.claims import Claim
from messages.sending.personalisation import TrackingOptions, personalise
from messages.sending.stream_headers import list_stream_headers
from providers.routing.selection import ProviderRef
from providers.transports import takes_own_copies

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRoute:
    """What a mail depends on of its provider.

    `has_own_copy` tells that the provider takes each recipient's bytes as they are, so that a header may name the
    recipient. `mailbox_address` is the address of a bounce mailbox that works.
    """

    has_own_copy: bool = True
    mailbox_address: str = ""


def find_mail_route(provider: ProviderRef) -> MailRoute:
    """What the mail depends on of this provider."""
    return MailRoute(
        has_own_copy=takes_own_copies(provider.kind, provider.url), mailbox_address=provider.mailbox_address
    )


@dataclass(slots=True, kw_only=True)
class MessageSource:
    """The stored inputs of a message. Plain rows, because model instances would cost more than the composing."""

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
    tracked_places: Sequence[int] | None
    date: datetime
    mailboxes: dict[str, list[Mailbox]] = field(default_factory=lambda: defaultdict(list))
    attachments: list[MimeAttachment] = field(default_factory=list)

    def content(self) -> MessageContent:
        """The content for MIME. Blind copies are in the envelope only, so no header names them."""
        return MessageContent(
            from_=Mailbox(name=self.from_name, address=self.from_address),
            to=self.mailboxes[RecipientField.TO],
            cc=self.mailboxes[RecipientField.CC],
            reply_to=[Mailbox(**mailbox) for mailbox in json.loads(self.reply_to)],
            subject=self.subject,
            date=self.date,
            message_id=f"{self.id}@{self.from_address.rpartition('@')[2]}",
            html=self.html or None,
            text=self.text or None,
            headers=self.list_headers(),
            attachments=self.attachments,
        )

    def list_headers(self) -> list[tuple[str, str]]:
        """The caller's own header fields, then those that name the stream."""
        own = [(name, value) for name, value in json.loads(self.headers) if name != TIME_SCALE_HEADER]
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


_MESSAGES = """
SELECT id, project_id, domain_id, from_name, from_address, reply_to, subject, html, text, headers,
       track_opens, track_clicks, stream, enable_unsubscribe, tracked_places, COALESCE(queued_at, created_at) AS date
FROM mail_message WHERE id = ANY(%s)
"""
_MAILBOXES = """
SELECT message_id, kind, name, address FROM mail_recipient
WHERE message_id = ANY(%s) AND kind <> %s ORDER BY message_id, position
"""
_ATTACHMENTS = """
SELECT a.message_id, a.filename, a.content_type, a.cid, c.data, c.storage_name
FROM mail_attachment a JOIN mail_attachmentcontent c ON c.id = a.content_id
WHERE a.message_id = ANY(%s) ORDER BY a.message_id, a.position
"""


def read_sources(ids: Collection[UUID]) -> dict[UUID, MessageSource]:
    """Read the messages with these ids, in three queries for any number."""
    wanted = list(ids)
    sources = {source.id: source for source in fetch_as(MessageSource, _MESSAGES, [wanted])}
    for message_id, kind, name, address in fetch(_MAILBOXES, [wanted, RecipientField.BCC]):
        sources[message_id].mailboxes[kind].append(Mailbox(name=name, address=address))
    for message_id, filename, content_type, content_id, data, storage_name in fetch(_ATTACHMENTS, [wanted]):
        sources[message_id].attachments.append(
            MimeAttachment(
                filename=filename,
                content_type=content_type,
                content=read_content(AttachmentContent(data=data, storage_name=storage_name)),
                content_id=content_id,
            )
        )
    return sources


class Composer:
    """Composes the messages of one batch of claims; parts that recipients share are encoded once."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._sources = read_sources({claim.message_id for claim in claims})
        self._prepared: dict[UUID, PreparedMessage] = {}

    def compose(self, claim: Claim, route: MailRoute) -> Delivery:
        """Compose one recipient's envelope and message. Raises HeaderError, BodyError or AttachmentTypeError."""
        source = self._sources[claim.message_id]
        prepared = self._prepared.get(source.id)
        if prepared is None:
            prepared = self._prepared[source.id] = prepare_message(source.content())
        identity = identities.of(source.domain_id) if source.domain_id else None
        own = find_own_parts(source, identity, claim.recipient_id, route)
        return_path = find_return_path(source.domain_id, claim.recipient_id)
        return Delivery(
            recipient_id=claim.recipient_id,
            message_id=source.id,
            return_path=return_path or source.from_address,
            address=claim.address,
            content=render_signed(prepared, own, identity),
            message=prepared.content if route.has_own_copy else prepared.personalise(*own),
            attempt_number=claim.number,
            # Request reports only if they come to our return path: a sender's own mailbox wants no success reports.
            envelope_id=str(claim.recipient_id) if return_path else "",
        )


def compose_delivery(composer: Composer, taken: Claim, route: MailRoute) -> Delivery | Reply:
    """Compose a delivery, or return the reply to record when the message cannot be composed."""
    try:
        return composer.compose(taken, route)
    except (HeaderError, BodyError, AttachmentTypeError, OSError) as error:
        log.exception("compose_failed", message_id=str(taken.message_id))
        return Reply(
            outcome=Outcome.DEFERRED if isinstance(error, OSError) else Outcome.FAILED,
            stage=Stage.CONNECT,
            text=f"The message could not be composed: {type(error).__name__}.",
        )


def compose_raw(message_id: UUID, recipient: Recipient) -> bytes:
    """Compose the message with the bytes that this recipient was or will be sent."""
    source = read_sources({message_id})[message_id]
    identity = identities.of(source.domain_id) if source.domain_id else None
    own = find_own_parts(source, identity, recipient.pk, MailRoute())
    return render_signed(prepare_message(source.content()), own, identity)


class OwnParts(NamedTuple):
    """The parts of a message that only one recipient gets. The bodies are None where all get the same.

    The last header is the mail's id.
    """

    headers: Sequence[tuple[str, str]]
    html: str | None = None
    text: str | None = None


def find_own_parts(source: MessageSource, identity: Identity | None, recipient_id: UUID, route: MailRoute) -> OwnParts:
    """One recipient's headers, and its bodies with its own tokens."""
    mail_id = recipient_header(recipient_id) if route.has_own_copy else message_header(source.id)
    if not source.is_personal:
        return OwnParts((mail_id,))
    mailto = None
    if source.enable_unsubscribe:
        mailto = build_mailto(source.domain_id, route.mailbox_address, recipient_id)
    tracking_options = source.tracking_options(identity.tracking_host if identity else None, mailto)
    own = personalise(source.html, source.text, tracking_options, recipient_id)
    return OwnParts((*own.headers, mail_id), own.html, own.text)


def render_signed(prepared: PreparedMessage, own: OwnParts, identity: Identity | None) -> bytes:
    """Render one recipient's message, then sign it with each active key of the sending domain."""
    content = prepared.render(own.headers, html=own.html, text=own.text)
    if not identity or not identity.signers:
        return content
    return sign_all(content, identity.signers, [own.headers[-1][0].lower().encode("ascii")]) + content
