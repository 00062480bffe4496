"""Composes messages: from rows to the bytes that go over the wire.

Every attempt composes a message from the same stored inputs and gets the same bytes: Message-ID, Date and boundaries do
not depend on the time or the worker.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import structlog

from delivery.dkim.signing import sign_all
from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.mime.attachments import AttachmentTypeError
from delivery.mime.bodies import BodyError
from delivery.mime.headers import HeaderError
from delivery.mime.message import MessageContent, PreparedMessage, prepare_message
from delivery.records import record
from domains.signing_identities import Identity, identities
from messages.attachments import StorageAwayError
from messages.feedback.mail_ids import message_header, recipient_header
from messages.feedback.return_paths import find_return_path
from messages.feedback.unsubscribe_mail import build_mailto
from messages.models import Recipient
from messages.sending.claims import Claim
from messages.sending.personalisation import personalise
from messages.sending.sources import MessageSource, read_message, read_sources
from messages.states import OnUncertain
from providers.models import ProviderKind
from providers.routing.foresight import find_listed_provider, foresee_provider
from providers.routing.selection import ProviderRef
from providers.transports import takes_own_copies

log = structlog.get_logger(__name__)


@record(frozen=True, slots=True, kw_only=True)
class MailRoute:
    """What a mail depends on of its provider.

    `has_own_copy` tells that the provider takes each recipient's bytes as they are, so that a header may name the
    recipient. With `needs_parts` it makes its call of the message's parts. `mailbox_address` is the address of a bounce
    mailbox that works.
    """

    has_own_copy: bool = True
    needs_parts: bool = False
    mailbox_address: str = ""


def find_mail_route(provider: ProviderRef) -> MailRoute:
    """What the mail depends on of this provider."""
    return MailRoute(
        has_own_copy=takes_own_copies(provider),
        needs_parts=provider.kind is ProviderKind.ESP,
        mailbox_address=provider.mailbox_address,
    )


@dataclass(slots=True)
class LastMade:
    """What is kept from one copy to the next, for all batches of a run.

    `large` is the last large message with its id: its recipients follow each other, and only one is in memory. It has
    the files' own bytes only with `has_files`; in base64 they are part of it anyway.
    `copy` is the last copy that a message's other recipients may share.
    """

    large: tuple[UUID, PreparedMessage] | None = None
    has_files: bool = False
    copy: "SharedCopy | None" = None


class Composer:
    """Composes the messages of one batch of claims; parts that recipients share are encoded once."""

    def __init__(self, claims: Sequence[Claim], last_made: LastMade | None = None) -> None:
        """`last_made` may be shared with other batches."""
        self._sources = read_sources({claim.message_id for claim in claims})
        self._left = Counter(claim.message_id for claim in claims)
        self._prepared: dict[UUID, PreparedMessage] = {}
        self._last_made = last_made or LastMade()

    def find_size(self, claim: Claim) -> int:
        """About the bytes that the claim's mail has as sent."""
        return self._sources[claim.message_id].sent_size

    def may_be_uncertain(self, claim: Claim) -> bool:
        """Whether the sender wants another attempt when the outcome of one is unknown."""
        return self._sources[claim.message_id].on_uncertain is OnUncertain.RETRY

    def has_own_content(self, claim: Claim, route: MailRoute) -> bool:
        """Whether each recipient of the message gets other bytes."""
        return route.has_own_copy or self._sources[claim.message_id].is_personal

    def compose(self, claim: Claim, route: MailRoute) -> Delivery:
        """Compose one recipient's envelope and message.

        Raises HeaderError, BodyError, AttachmentTypeError, StorageAwayError and SourceGoneError.
        """
        source = self._sources[claim.message_id]
        prepared = self._find_prepared(source, route)
        identity = identities.of(source.domain_id) if source.domain_id else None
        own = find_own_parts(source, prepared.content, identity, claim.recipient_id, route)
        return_path = find_return_path(source.domain_id, claim.recipient_id)
        copy = self._last_made.copy
        if copy is None or (copy.message_id, copy.own) != (source.id, own):
            message = None
            if route.needs_parts:
                message = prepared.content if route.has_own_copy else prepared.personalise(*own)
            copy = SharedCopy(source.id, own, render_signed(prepared, own, identity), message)
        self._last_made.copy = None if self.has_own_content(claim, route) else copy
        self._count_down(source.id)
        return Delivery(
            recipient_id=claim.recipient_id,
            message_id=source.id,
            return_path=return_path or source.from_address,
            address=claim.address,
            content=copy.content,
            has_pairs=True,
            message=copy.message,
            attempt_number=claim.number,
            # Request reports only if they come to our return path: a sender's own mailbox wants no success reports.
            envelope_id=str(claim.recipient_id) if return_path else "",
        )

    def _find_prepared(self, source: MessageSource, route: MailRoute) -> PreparedMessage:
        """The message with its common parts encoded. A large one is kept only until another one comes."""
        if not source.is_large:
            prepared = self._prepared.get(source.id)
            if prepared is None:
                prepared = self._prepared[source.id] = prepare(source)
            return prepared
        made = self._last_made
        if made.large is None or made.large[0] != source.id or (route.needs_parts and not made.has_files):
            made.large = made.copy = None
            prepared = prepare(source)
            if not route.needs_parts:
                prepared = replace(prepared, content=replace(prepared.content, attachments=()))
            made.large, made.has_files = (source.id, prepared), route.needs_parts
        return made.large[1]

    def _count_down(self, message_id: UUID) -> None:
        """Keep nothing of a message after the last recipient's copy was made."""
        left = self._left[message_id] = self._left[message_id] - 1
        if left:
            return
        self._prepared.pop(message_id, None)
        self._last_made.copy = None
        if self._last_made.large and self._last_made.large[0] == message_id:
            self._last_made.large = None


def compose_delivery(composer: Composer, taken: Claim, route: MailRoute) -> Delivery | Reply:
    """Compose a delivery, or return the reply to record when the message cannot be composed."""
    try:
        return composer.compose(taken, route)
    except (HeaderError, BodyError, AttachmentTypeError, StorageAwayError, OSError) as error:
        log.exception("compose_failed", message_id=str(taken.message_id))
        return Reply(
            outcome=Outcome.DEFERRED if isinstance(error, (OSError, StorageAwayError)) else Outcome.FAILED,
            stage=Stage.CONNECT,
            text=f"The message could not be composed: {type(error).__name__}.",
        )


def compose_raw(message_id: UUID, recipient: Recipient) -> bytes:
    """Compose the message with the bytes that this recipient was or will be sent.

    Mail that another provider gets than the likely one may differ in its id and its unsubscribe address.
    """
    source = read_sources({message_id})[message_id]
    provider = find_last_provider(recipient)
    return compose_copy(source, prepare(source), recipient.pk, find_mail_route(provider) if provider else MailRoute())


def find_last_provider(recipient: Recipient) -> ProviderRef | None:
    """The provider of the last attempt, else the one that would get the mail now; None if there is none any more."""
    started = recipient.attempts.filter(started_at__isnull=False).order_by("-number")
    last = started.values_list("provider_id", flat=True).first()
    if last is not None:
        return find_listed_provider(recipient.project_id, last)
    return foresee_provider(recipient.project_id, is_simulated=recipient.is_simulated)


def compose_copy(source: MessageSource, prepared: PreparedMessage, recipient_id: UUID, route: MailRoute) -> bytes:
    """Compose one recipient's copy. Raises HeaderError, BodyError and AttachmentTypeError."""
    identity = identities.of(source.domain_id) if source.domain_id else None
    own = find_own_parts(source, prepared.content, identity, recipient_id, route)
    return render_signed(prepared, own, identity)


def prepare(source: MessageSource) -> PreparedMessage:
    return prepare_message(read_message(source), is_personal=source.is_personal)


class OwnParts(NamedTuple):
    """The parts of a message that only one recipient gets. The bodies are None where all get the same.

    The last header is the mail's id.
    """

    headers: Sequence[tuple[str, str]]
    html: str | None = None
    text: str | None = None


class SharedCopy(NamedTuple):
    """The last copy that was made: recipients with the same own parts get the same bytes, not a copy of them."""

    message_id: UUID
    own: OwnParts
    content: bytes
    message: MessageContent | None


def find_own_parts(
    source: MessageSource, content: MessageContent, identity: Identity | None, recipient_id: UUID, route: MailRoute
) -> OwnParts:
    """One recipient's headers, and its bodies with its own tokens."""
    mail_id = recipient_header(recipient_id) if route.has_own_copy else message_header(source.id)
    if not source.is_personal:
        return OwnParts((mail_id,))
    mailto = None
    if source.enable_unsubscribe:
        mailto = build_mailto(source.domain_id, route.mailbox_address, recipient_id)
    tracking_options = source.tracking_options(identity.tracking_host if identity else None, mailto)
    own = personalise(content.html or "", content.text or "", tracking_options, recipient_id)
    return OwnParts((*own.headers, mail_id), own.html, own.text)


def render_signed(prepared: PreparedMessage, own: OwnParts, identity: Identity | None) -> bytes:
    """Render one recipient's message, then sign it with each active key of the sending domain."""
    content = prepared.render(own.headers, html=own.html, text=own.text)
    if not identity or not identity.signers:
        return content
    own_names = [own.headers[-1][0].lower().encode("ascii")]
    return sign_all(content, identity.signers, own_names, has_pairs=True) + content
