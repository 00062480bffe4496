"""What callers may send, and the draft that it becomes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from common.addresses import Address
from common.errors import FieldError, InvalidFieldsError, join_path
from common.serializers import (
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictSerializer,
)
from messages.accepting.draft import Draft
from messages.api.fields import (
    MAX_FILES,
    MAX_FILES_BYTES,
    AddressListField,
    AttachmentSerializer,
    BodyField,
    HeadersField,
    LenientSerializer,
    MetadataField,
    SenderField,
    StrictUUIDField,
    TagsField,
    refuse,
)
from messages.attachments import File
from messages.services import Selection, Settlement
from messages.states import Lane, OnUncertain

MAX_AHEAD = timedelta(days=365)
MAX_REPLY_TO = 50
# Written by the service where `enable_unsubscribe` is set (RFC 2369, RFC 8058).
UNSUBSCRIBE_HEADERS = frozenset({"list-unsubscribe", "list-unsubscribe-post"})


class EmailRequest(LenientSerializer):
    """An email to send: content, or a template and its variables.

    null, "", {} and [] count as absent.
    """

    aliases = {"from": "from_"}

    to = AddressListField(help_text="1 to 50 in to, cc and bcc together; duplicates are folded.")
    cc = AddressListField(required=False)
    bcc = AddressListField(required=False, help_text="In no header.")
    from_ = SenderField(required=False, help_text="`from` is accepted too. Left out: the default sender.")
    reply_to = AddressListField(required=False)
    subject = SingleLineField(required=False, max_length=998)
    html = BodyField(required=False, help_text="At most 2 MiB. Alone, a text part is made from it.")
    text = BodyField(required=False, help_text="At most 2 MiB.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a published template.")
    template_vars = serializers.DictField(required=False)
    domain_id = StrictUUIDField(required=False, help_text="The sending domain to use; the sender must be at it.")
    track_opens = StrictBooleanField(required=False)
    track_clicks = StrictBooleanField(required=False)
    enable_unsubscribe = StrictBooleanField(required=False)
    scheduled_at = StrictDateTimeField(required=False, help_text="In the future, at most 365 days ahead.")
    expires_at = StrictDateTimeField(required=False, help_text="Not sent after this time.")
    attachments = serializers.ListField(child=AttachmentSerializer(), required=False, max_length=MAX_FILES)
    headers = HeadersField(required=False)
    tags = TagsField(required=False)
    metadata = MetadataField(required=False)
    priority = serializers.ChoiceField(choices=Lane.choices, required=False)
    on_uncertain = serializers.ChoiceField(choices=OnUncertain.choices, required=False)

    def validate_reply_to(self, addresses: list[Address]) -> list[Address]:
        folded = list({address.address.lower(): address for address in reversed(addresses)}.values())[::-1]
        if len(folded) > MAX_REPLY_TO:
            refuse("max_length", f"At most {MAX_REPLY_TO} addresses; these are {len(folded)}.")
        return folded

    def validate_attachments(self, files: list[File]) -> list[File]:
        if sum(len(file.content) for file in files) > MAX_FILES_BYTES:
            refuse("attachments_too_large", "All attachments together may have 5 MiB.")
        named = [file.content_id for file in files if file.content_id]
        if len(set(named)) < len(named):
            refuse("duplicate_content_id", "Two attachments have the same content_id.")
        return files

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors = [*check_content(attrs), *check_times(attrs), *check_headers(attrs)]
        if errors:
            raise InvalidFieldsError(errors)
        return attrs


# Serializers hold no state while they read: one serves all threads, and its fields are copied once, not per request.
EMAIL_REQUEST = EmailRequest()


def read_draft(serializer: EmailRequest, data: object) -> Draft:
    """`data` as a draft; ValidationError or InvalidFieldsError."""
    values = dict(serializer.run_validation(data))
    return Draft(template=values.pop("template_id", ""), **values)


def check_content(attrs: Mapping[str, Any]) -> list[FieldError]:
    """Raw content or a template: one of the two, and whole."""
    raw = [name for name in ("subject", "html", "text") if attrs.get(name)]
    if "template_id" in attrs:
        message = "Give a template or content, not both."
        return [FieldError(name, "content_conflict", message) for name in raw]
    errors = []
    if "template_vars" in attrs:
        errors.append(FieldError("template_vars", "content_conflict", "Variables need a template_id."))
    if "subject" not in raw:
        errors.append(FieldError("subject", "required", "A subject is required."))
    if not {"html", "text"} & set(raw):
        errors.append(FieldError("html", "required", "At least one of html and text is required."))
    return errors


def check_times(attrs: Mapping[str, Any]) -> list[FieldError]:
    """Scheduled in the future but not too far; expiry after both now and that."""
    now = timezone.now()
    errors = []
    scheduled_at, expires_at = attrs.get("scheduled_at"), attrs.get("expires_at")
    if scheduled_at:
        errors += check_scheduled_at(scheduled_at)
    if expires_at and expires_at <= max(now, scheduled_at or now):
        errors.append(FieldError("expires_at", "not_in_future", "Must be in the future and later than scheduled_at."))
    return errors


def check_headers(attrs: Mapping[str, Any]) -> list[FieldError]:
    """Who has the unsubscribe headers written cannot give others of their own."""
    if not attrs.get("enable_unsubscribe"):
        return []
    message = "Is written by the service, since enable_unsubscribe is set."
    return [
        FieldError(join_path("headers", name), "header_reserved", message)
        for name in attrs.get("headers", {})
        if name.lower() in UNSUBSCRIBE_HEADERS
    ]


def check_scheduled_at(scheduled_at: Any) -> list[FieldError]:
    now = timezone.now()
    if scheduled_at <= now:
        return [FieldError("scheduled_at", "not_in_future", "Must be in the future.")]
    if scheduled_at > now + MAX_AHEAD:
        return [FieldError("scheduled_at", "too_far_ahead", "Must be at most 365 days ahead.")]
    return []


class RescheduleRequest(StrictSerializer):
    """Another time for a scheduled email."""

    scheduled_at = StrictDateTimeField(help_text="In the future, at most 365 days ahead.")

    def validate_scheduled_at(self, value: Any) -> Any:
        for error in check_scheduled_at(value):
            refuse(error.code, error.message)
        return value


class NoFields(StrictSerializer):
    """Nothing: `{}`, or no body at all."""


class ResendRequest(LenientSerializer):
    """Whom a resend goes to: all recipients, or those that failed or bounced."""

    recipients = serializers.ChoiceField(choices=[item.value for item in Selection], required=False)


def read_fields(serializer_class: type[StrictSerializer], data: object) -> dict[str, Any]:
    """`data` as the serializer's fields; ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class SettleRequest(StrictSerializer):
    """What becomes of uncertain attempts."""

    def get_fields(self) -> dict[str, Any]:
        # `as` is a keyword of Python.
        return {"as": serializers.ChoiceField(choices=[item.value for item in Settlement])}
