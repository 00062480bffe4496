"""What callers may send, and the draft that it becomes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from common.errors import FieldError, InvalidFieldsError
from common.serializers import (
    AddressField,
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictSerializer,
)
from messages.drafts import Draft
from messages.fields import (
    MAX_FILES,
    MAX_FILES_BYTES,
    AddressListField,
    AttachmentSerializer,
    BodyField,
    HeadersField,
    MetadataField,
    TagsField,
    refuse,
)
from messages.services import Selection, Settlement
from messages.states import Lane, OnUncertain

MAX_AHEAD = timedelta(days=365)
ABSENT: tuple[object, ...] = (None, "", {}, [])


class EmailRequest(StrictSerializer):
    """An email to send: content, or a template and its variables.

    null, "", {} and [] count as absent.
    """

    aliases = {"from": "from_"}

    to = AddressListField(help_text="1 to 50 in to, cc and bcc together; duplicates are folded.")
    cc = AddressListField(required=False)
    bcc = AddressListField(required=False, help_text="In no header.")
    from_ = AddressField(required=False, help_text="`from` is accepted too. Left out: the default sender.")
    reply_to = AddressListField(required=False)
    subject = SingleLineField(required=False, max_length=998)
    html = BodyField(required=False, help_text="At most 2 MiB. Alone, a text part is made from it.")
    text = BodyField(required=False, help_text="At most 2 MiB.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a published template.")
    template_vars = serializers.DictField(required=False)
    domain_id = serializers.UUIDField(required=False)
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

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if value not in ABSENT}
        return super().to_internal_value(data)

    def validate_attachments(self, files: list[Any]) -> list[Any]:
        if sum(len(file.content) for file in files) > MAX_FILES_BYTES:
            refuse("attachments_too_large", "All attachments together may have 5 MiB.")
        return files

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors = [*check_content(attrs), *check_times(attrs)]
        if errors:
            raise InvalidFieldsError(errors)
        return attrs


def read_draft(serializer: EmailRequest, data: object) -> Draft:
    """`data` as a draft; ValidationError or InvalidFieldsError. One serializer may read many."""
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


class ResendRequest(StrictSerializer):
    """Whom a resend goes to: all recipients, or those that failed or bounced."""

    recipients = serializers.ChoiceField(choices=[item.value for item in Selection], required=False)


class SettleRequest(StrictSerializer):
    """What becomes of uncertain attempts."""

    def get_fields(self) -> dict[str, Any]:
        # `as` is a keyword of Python.
        return {"as": serializers.ChoiceField(choices=[item.value for item in Settlement])}
