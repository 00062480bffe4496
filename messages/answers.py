"""An email, its recipients, attempts and events as the API shows them."""

from typing import Any

from rest_framework import serializers

from messages.models import Attachment, Attempt, Message, Recipient
from messages.states import Reason, Status
from providers.choice import routes
from tracking.event_answers import EventAnswer as EventAnswer


def format_mailbox(name: str, address: str) -> str:
    """`Name <a@b.c>` or `a@b.c`, in the form that POST takes."""
    if not name:
        return address
    if any(char in '()<>[]:;@\\,"' for char in name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


class AbsentTextField(serializers.CharField):
    """Text that is null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class RecipientAnswer(serializers.ModelSerializer[Recipient]):
    status_reason = AbsentTextField()
    last_reply = AbsentTextField(help_text="What the other side said last.")

    class Meta:
        model = Recipient
        fields = ("address", "name", "kind", "status", "status_reason", "next_attempt_at", "last_reply")


class AttemptAnswer(serializers.ModelSerializer[Attempt]):
    recipient = serializers.CharField(source="recipient.address", help_text="The recipient's address.")
    provider = AbsentTextField(source="provider_name", help_text="The provider's name; null before it is chosen.")
    outcome = AbsentTextField(
        help_text="accepted, delivered, deferred, bounced, failed or uncertain; null while it runs."
    )
    enhanced_code = AbsentTextField(help_text="RFC 3463.")
    reply = AbsentTextField(help_text="What the other side said, or what we say in its place.")
    remote_host = AbsentTextField()
    tls = AbsentTextField(help_text="Protocol and cipher; null without TLS.")

    class Meta:
        model = Attempt
        fields = (
            "number",
            "recipient",
            "provider",
            "started_at",
            "finished_at",
            "outcome",
            "code",
            "enhanced_code",
            "reply",
            "remote_host",
            "tls",
            "next_attempt_at",
        )


class AttachmentAnswer(serializers.ModelSerializer[Attachment]):
    size = serializers.IntegerField(source="content.size", help_text="Bytes, decoded.")
    content_id = AbsentTextField(source="cid", help_text="Shown in the HTML by `cid:…`.")

    class Meta:
        model = Attachment
        fields = ("id", "filename", "content_type", "size", "content_id")


class EmailRow(serializers.ModelSerializer[Message]):
    """An email as lists show it: everything but bodies, attempts and attachments' bytes."""

    from_ = serializers.SerializerMethodField()
    to = serializers.SerializerMethodField()
    cc = serializers.SerializerMethodField()
    bcc = serializers.SerializerMethodField()
    reply_to = serializers.SerializerMethodField()
    status_reason = serializers.SerializerMethodField()
    test = serializers.BooleanField(source="is_test")
    template_id = serializers.UUIDField(allow_null=True)
    domain_id = serializers.UUIDField(allow_null=True)
    resent_from = serializers.UUIDField(source="resent_from_id", allow_null=True)
    message_id = serializers.CharField(help_text="The Message-ID header.")
    recipients = RecipientAnswer(many=True, source="shown_recipients")
    attachments = AttachmentAnswer(many=True, source="shown_attachments")

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            "id",
            "status",
            "status_reason",
            "test",
            "from_",
            "to",
            "cc",
            "bcc",
            "reply_to",
            "subject",
            "template_id",
            "domain_id",
            "headers",
            "tags",
            "metadata",
            "priority",
            "on_uncertain",
            "track_opens",
            "track_clicks",
            "enable_unsubscribe",
            "created_at",
            "scheduled_at",
            "queued_at",
            "sent_at",
            "delivered_at",
            "failed_at",
            "bounced_at",
            "cancelled_at",
            "expires_at",
            "resent_from",
            "message_id",
            "recipients",
            "attachments",
        )

    def get_from_(self, message: Message) -> str:
        return format_mailbox(message.from_name, message.from_address)

    def get_to(self, message: Message) -> list[str]:
        return list_kind(message, Recipient.Kind.TO)

    def get_cc(self, message: Message) -> list[str]:
        return list_kind(message, Recipient.Kind.CC)

    def get_bcc(self, message: Message) -> list[str]:
        return list_kind(message, Recipient.Kind.BCC)

    def get_reply_to(self, message: Message) -> list[str]:
        return [format_mailbox(mailbox["name"], mailbox["address"]) for mailbox in message.reply_to]

    def get_status_reason(self, message: Message) -> str | None:
        """What is stored, or that nothing can happen for want of a way out: that may change without the row knowing."""
        if message.status == Status.QUEUED and not message.is_test and not routes.has_way(message.project_id):
            return Reason.NO_PROVIDER
        return message.status_reason or None


class EmailAnswer(EmailRow):
    """An email with everything that support needs."""

    html = AbsentTextField()
    text = AbsentTextField()
    attempts = serializers.SerializerMethodField()
    events = EventAnswer(many=True, source="shown_events", help_text="The first hundred.")

    class Meta(EmailRow.Meta):
        fields = (*EmailRow.Meta.fields, "html", "text", "attempts", "events")

    def get_attempts(self, message: Message) -> list[dict[str, Any]]:
        attempts = [attempt for row in message.shown_recipients for attempt in row.shown_attempts]
        attempts.sort(key=lambda attempt: attempt.pk)
        return [ATTEMPT.to_representation(attempt) for attempt in attempts]


def list_kind(message: Message, kind: Recipient.Kind) -> list[str]:
    return [format_mailbox(row.name, row.address) for row in message.shown_recipients if row.kind == kind]


# Serializers hold no state while they show: one serves all threads, and its fields are copied once, not per request.
ATTEMPT = AttemptAnswer()
ROW = EmailRow()
EMAIL = EmailAnswer()
