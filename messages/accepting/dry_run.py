"""A dry run: what accepting and sending a draft would do, by the same steps, without a row or a wake-up."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.acting_for import Caller
from common.errors import FieldError, InvalidFieldsError
from common.ids import timed_ids
from delivery.mime.attachments import Attachment as MimeAttachment
from delivery.mime.attachments import AttachmentTypeError
from delivery.mime.bodies import BodyError
from delivery.mime.headers import HeaderError
from delivery.mime.message import prepare_message
from domains.alignment import Alignment, Authenticated, find_alignment
from domains.signing_identities import identities
from ledger.clock import database_time
from messages.accepting.admission import Admitted
from messages.accepting.persistence import Batch, build_rows, stop_suppressed
from messages.accepting.statement import Listed, NewRows
from messages.attachments import File
from messages.feedback.return_paths import find_return_host
from messages.models import Message, Recipient
from messages.pausing.matching import find_stopped_by_pause
from messages.pausing.state import pause_state
from messages.sending.composing import MailRoute, compose_copy, find_mail_route
from messages.sending.sources import build_source
from messages.states import Status, StatusReason
from providers.models import ProviderKind
from providers.routing.foresight import foresee_provider
from providers.routing.selection import ProviderRef
from tracking.engagement.link_finding import ListedLink, list_links
from tracking.suppressions.service import find_suppressed

# Others sign mail of these kinds too, and an email service has return paths of its own.
RELAYED = frozenset({ProviderKind.SMTP, ProviderKind.ESP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What would become of one recipient: the status that it would get, the reason, and the way of its mail.

    `reason` is that of the suppression, or why the mail would wait; empty if nothing holds it back. `provider` is the
    name of the one that would most likely get the mail now; None for mail that no provider would get.
    """

    address: str
    decision: Status
    reason: str
    stream: str
    provider: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The result. `content` is the copy of the first recipient that would get one, else of the first."""

    content: bytes
    decisions: Sequence[Decision]
    alignment: Alignment
    links: Sequence[ListedLink]


def try_out(key: Caller, admitted: Admitted) -> DryRun:
    """What would become of an admitted draft, if it were accepted now.

    Raises InvalidFieldsError for content that cannot be composed.
    """
    now = database_time()
    batch = Batch(key=key, admitted=[admitted], uploaded={}, ids=timed_ids.take(now, 1), now=now)
    listed = find_suppressed(key.owner_id, batch.addresses, is_test=key.is_test)
    rows = build_rows(batch, listed)
    provider = foresee_provider(key.owner_id, is_simulated=key.is_test)
    first = next((row for row in rows.recipients if row.status != Status.SUPPRESSED), rows.recipients[0])
    places = admitted.tracked.places if admitted.tracked and admitted.draft.track_clicks else ()
    return DryRun(
        content=compose(rows, admitted.draft.attachments, first, provider),
        decisions=decide(rows, listed, provider),
        alignment=foresee_alignment(rows.messages[0], provider),
        links=list_links(admitted.draft.html, places),
    )


def compose(rows: NewRows, files: Sequence[File], recipient: Recipient, provider: ProviderRef | None) -> bytes:
    """One recipient's copy as it would be sent."""
    (message,), (content,) = rows.messages, rows.contents
    source = build_source(message, content, rows.recipients)
    attached = [
        MimeAttachment(
            filename=file.filename,
            content_type=file.content_type,
            content=file.read(),
            content_id=file.content_id,
        )
        for file in files
    ]
    whole = source.content(content.html, content.text, attached)
    route = find_mail_route(provider) if provider else MailRoute()
    try:
        return compose_copy(source, prepare_message(whole, is_personal=source.is_personal), recipient.pk, route)
    except (HeaderError, BodyError, AttachmentTypeError) as error:
        words = f"The message could not be composed: {error}"
        raise InvalidFieldsError([FieldError("", "not_composable", words)]) from error


def decide(rows: NewRows, listed: Listed, provider: ProviderRef | None) -> list[Decision]:
    (message,) = rows.messages
    stops = stop_suppressed(message, rows.recipients, listed)
    paused = find_stopped_by_pause(message, rows.recipients) if pause_state.read().has_pauses else set()
    name, usual = (provider.name, StatusReason.NONE) if provider else (None, StatusReason.NO_PROVIDER)
    reasons = {
        row.pk: row.status_reason or (StatusReason.PAUSED if row.pk in paused else usual) for row in rows.recipients
    }
    return [
        Decision(
            address=row.address,
            decision=Status(row.status),
            reason=stops[row.pk].reason if row.pk in stops else reasons[row.pk],
            stream=message.stream,
            provider=None if row.pk in stops else name,
        )
        for row in rows.recipients
    ]


def foresee_alignment(message: Message, provider: ProviderRef | None) -> Alignment:
    identity = identities.of(message.domain_id) if message.domain_id else None
    kind = provider.kind if provider else None
    return find_alignment(
        Authenticated(
            sender_domain=message.from_address.rpartition("@")[2],
            return_host=find_return_host(message.domain_id),
            is_signed=bool(identity and identity.signers),
            is_relayed=kind in RELAYED,
            has_foreign_path=kind is ProviderKind.ESP,
        )
    )
