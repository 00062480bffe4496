"""The API's form of an email, its recipients, attempts and events."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import AbsentTextField, StrictDateTimeField, TimeField
from delivery.envelope import Outcome
from delivery.judging.rules import RULES
from delivery.judging.terms import About
from messages.api.compiled_output import CompiledOutput
from messages.models import Attachment, Attempt, Message, Recipient, RecipientField
from messages.states import Lane, OnUncertain, Status, StatusReason
from providers.routing.selection import routes
from tracking.event_serializers import EventOutput


def format_mailbox(name: str, address: str) -> str:
    """`Name <a@b.c>` or `a@b.c`, in the form that POST accepts."""
    if not name:
        return address
    if any(char in '()<>[]:;@\\,"' for char in name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


# A decision holds these emails back, whether or not there is a provider.
HELD_BACK = frozenset({StatusReason.PAUSED, StatusReason.CAP})


class HeadersOutput(serializers.DictField):
    """Stored pairs as an object in their order."""

    def to_representation(self, value: Any) -> dict[str, str]:
        return dict(value)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class MailboxesField(serializers.Field[Any, Any, list[str], Message]):
    """The recipients of one kind, in the form that POST accepts."""

    def __init__(self, kind: RecipientField) -> None:
        super().__init__(source="*")
        self.kind = kind

    def to_representation(self, value: Message) -> list[str]:
        return [format_mailbox(row.name, row.address) for row in value.shown_recipients if row.kind == self.kind]


class RecipientOutput(serializers.Serializer[Recipient]):
    """One envelope recipient with its own state; the email's state is the roll-up."""

    address = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=RecipientField.choices)
    status = serializers.ChoiceField(choices=Status.choices)
    status_reason = AbsentTextField(help_text="The reason for the status, for programs.")
    next_attempt_at = TimeField(help_text="Null if no attempt follows, or if the recipient is on hold.")
    last_reply = AbsentTextField(help_text="The last reply of the other side.")


class SkippedOutput(serializers.Serializer[object]):
    """A provider that would have come first, with the reason for skipping it."""

    provider = serializers.CharField()
    because = serializers.CharField()


class DecisionOutput(serializers.Serializer[object]):
    """The reason for an attempt's provider."""

    because = serializers.CharField(help_text="priority, weight, failover, probe, again or only.")
    skipped = SkippedOutput(many=True)


class AttemptOutput(serializers.Serializer[Attempt]):
    """One transaction with a provider for one recipient."""

    number = serializers.IntegerField(help_text="Counts from 1 for each recipient.")
    recipient = serializers.CharField(source="recipient.address", help_text="The recipient's address.")
    provider = AbsentTextField(source="provider_name", help_text="The provider's name; null before it is chosen.")
    started_at = TimeField()
    finished_at = TimeField()
    outcome = AbsentTextField(help_text=f"{', '.join(Outcome)}; null while it runs.")
    code = serializers.IntegerField(allow_null=True, help_text="SMTP or HTTP code; null without a reply.")
    enhanced_code = AbsentTextField(help_text="RFC 3463.")
    reply = AbsentTextField(help_text="The other side's reply, or this service's own text if there was none.")
    reason = AbsentTextField(help_text=f"The reason of a refusal: {', '.join(RULES)}; null for other outcomes.")
    about = AbsentTextField(help_text=f"The subject of a refusal: {', '.join(About)}; null for other outcomes.")
    remote_host = AbsentTextField()
    remote_id = AbsentTextField(help_text="The id that the email service gave the email.")
    tls = AbsentTextField(help_text="Protocol and cipher; null without TLS.")
    next_attempt_at = TimeField()
    decision = DecisionOutput(allow_null=True, help_text="The reason for the provider; null if there was no choice.")


class AttachmentOutput(serializers.Serializer[Attachment]):
    """An attachment; its bytes are at `/emails/{id}/attachments/{attachment_id}`."""

    id = serializers.UUIDField()
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(source="byte_count", help_text="Bytes, decoded.")
    content_id = AbsentTextField(source="cid", help_text="The id for `cid:…` URLs in the HTML.")


class EmailRow(serializers.Serializer[Message]):
    """An email in a list: everything except bodies, attempts, events and attachments' bytes."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    status_reason = serializers.SerializerMethodField(
        help_text="The reason for the status, for programs; null if there is none."
    )
    test = serializers.BooleanField(
        source="is_test", help_text="Whether a test key sent it; such mail never leaves the service."
    )
    from_ = serializers.SerializerMethodField()
    to = MailboxesField(RecipientField.TO)
    cc = MailboxesField(RecipientField.CC)
    bcc = MailboxesField(RecipientField.BCC)
    reply_to = serializers.SerializerMethodField()
    subject = serializers.CharField()
    template_id = serializers.UUIDField(allow_null=True)
    domain_id = serializers.UUIDField(allow_null=True)
    headers = HeadersOutput(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    metadata = serializers.DictField(child=serializers.CharField())
    priority = serializers.ChoiceField(choices=Lane.choices)
    on_uncertain = serializers.ChoiceField(choices=OnUncertain.choices)
    track_opens = serializers.BooleanField()
    track_clicks = serializers.BooleanField()
    stream = serializers.CharField(help_text="The name of its stream.")
    locale = AbsentTextField(help_text="The language that was asked of the template; null for its default.")
    enable_unsubscribe = serializers.BooleanField()
    created_at = StrictDateTimeField()
    scheduled_at = TimeField()
    queued_at = TimeField()
    sent_at = TimeField(help_text="The time of the first acceptance by a provider or the recipient's server.")
    delivered_at = TimeField()
    failed_at = TimeField()
    bounced_at = TimeField()
    cancelled_at = TimeField()
    expires_at = TimeField(help_text="The value of the request.")
    resent_from = serializers.UUIDField(
        source="resent_from_id", allow_null=True, help_text="The original email of a resend."
    )
    forwarded_to = serializers.SerializerMethodField(help_text="The resends of this email to other addresses.")
    message_id = serializers.CharField(help_text="The Message-ID header.")
    recipients = RecipientOutput(many=True, source="shown_recipients")
    attachments = AttachmentOutput(many=True, source="shown_attachments")

    @extend_schema_field({"type": "array", "items": {"type": "string", "format": "uuid"}})
    def get_forwarded_to(self, message: Message) -> list[str]:
        return [str(copy.pk) for copy in message.shown_copies]

    def get_from_(self, message: Message) -> str:
        return format_mailbox(message.from_name, message.from_address)

    def get_reply_to(self, message: Message) -> list[str]:
        return [format_mailbox(mailbox["name"], mailbox["address"]) for mailbox in message.reply_to]

    def get_status_reason(self, message: Message) -> str | None:
        """The stored reason, or that of a queued email whose project has no provider, which no row stores."""
        if message.status_reason in HELD_BACK:
            return message.status_reason
        if message.status == Status.QUEUED and not message.is_test:
            has_provider, has_readable = routes.find_providers(message.project_id)
            if not has_provider:
                return StatusReason.NO_PROVIDER
            if not has_readable:
                return StatusReason.PROVIDER_UNREADABLE
        return message.status_reason or None


class EmailOutput(EmailRow):
    """An email with bodies, attempts and events."""

    html = AbsentTextField(source="content.html")
    text = AbsentTextField(source="content.text")
    bodies_purged_at = TimeField(
        source="content.bodies_purged_at", help_text="The time at which the bodies were removed."
    )
    attempts = serializers.SerializerMethodField()
    events = EventOutput(many=True, source="shown_events", help_text="The first 100 events.")

    @extend_schema_field(AttemptOutput(many=True))
    def get_attempts(self, message: Message) -> list[dict[str, Any]]:
        attempts = [attempt for row in message.shown_recipients for attempt in row.shown_attempts]
        attempts.sort(key=lambda attempt: attempt.pk)
        return [ATTEMPT.to_representation(attempt) for attempt in attempts]


# Serializers hold no state during output, so one instance serves all threads, and its fields are copied only once.
ATTEMPT = AttemptOutput()
ROW = EmailRow()
SHOW_ROW = CompiledOutput(ROW)
EMAIL = EmailOutput()
