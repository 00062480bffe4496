"""The request bodies of `/emails`, and their conversion to drafts."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from common.addresses import Address
from common.errors import FieldError
from common.serializers import (
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictSerializer,
    StrictUUIDField,
    wrong,
)
from common.validation import list_field_errors
from messages.accepting.draft import Draft
from messages.api.attachment_fields import AttachmentsField
from messages.api.fields import (
    AddressListField,
    BodyField,
    HeadersField,
    LenientSerializer,
    MetadataField,
    SenderField,
    TagsField,
    fail_field,
)
from messages.api.typed_bodies import TypedReader
from messages.deciding.settling import Settlement
from messages.services import ResendRecipients
from messages.states import Lane, OnUncertain
from templates_app.serializers import LocaleField

MAX_AHEAD = timedelta(days=365)
MAX_REPLY_TO = 50
MAX_SETTLED = 500


class EmailRequest(LenientSerializer):
    """An email to send: content, or a template and its variables.

    null, "", {} and [] count as absent, except for `scheduled_at`, where only null does: an empty time may be a
    program's mistake, and a mail that was sent at once cannot be called back.
    """

    aliases = {"from": "from_"}
    strict_about = frozenset({"scheduled_at"})

    to = AddressListField(help_text="1 to 50 recipients in to, cc and bcc together; duplicates are removed.")
    cc = AddressListField(required=False)
    bcc = AddressListField(required=False, help_text="Blind copies; no header names them.")
    from_ = SenderField(required=False, help_text="`from` is accepted too. Default: the default sender.")
    reply_to = AddressListField(required=False)
    subject = SingleLineField(required=False, max_length=998)
    html = BodyField(required=False, help_text="At most 2 MiB. Without `text`, the text part is made from it.")
    text = BodyField(required=False, help_text="At most 2 MiB.")
    template_id = StrictCharField(required=False, max_length=100, help_text="Id or alias of a published template.")
    template_vars = serializers.DictField(required=False)
    locale = LocaleField(
        required=False, help_text="Language of the template: `de-AT`, else `de`, else the template's default."
    )
    domain_id = StrictUUIDField(required=False, help_text="The sending domain; the sender's address must be in it.")
    track_opens = StrictBooleanField(required=False)
    track_clicks = StrictBooleanField(required=False)
    stream = StrictCharField(
        required=False, max_length=100, help_text="The name of a stream. Default: `default`, which every project has."
    )
    enable_unsubscribe = StrictBooleanField(
        required=False,
        help_text="Whether the email offers an opt-out. An email of a broadcast stream does; false is rejected there.",
    )
    scheduled_at = StrictDateTimeField(required=False, help_text="In the future, at most 365 days ahead.")
    expires_at = StrictDateTimeField(required=False, help_text="The email is not sent after this time.")
    attachments = AttachmentsField()
    headers = HeadersField(required=False)
    tags = TagsField(required=False)
    metadata = MetadataField(required=False)
    priority = StrictChoiceField(choices=Lane.choices, required=False)
    on_uncertain = StrictChoiceField(choices=OnUncertain.choices, required=False)

    def validate_reply_to(self, addresses: list[Address]) -> list[Address]:
        folded = list({address.address.lower(): address for address in reversed(addresses)}.values())[::-1]
        if len(folded) > MAX_REPLY_TO:
            fail_field("max_length", f"Must have at most {MAX_REPLY_TO} addresses; it has {len(folded)}.")
        return folded

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        # With an invalid template_id it is unknown whether content is needed.
        is_clear = "template_id" in values or "template_id" not in given
        return check_times(values) | (check_content(given) if is_clear else {})


# Serializers hold no state during input, so one instance serves all threads, and its fields are copied only once.
EMAIL_REQUEST = EmailRequest()
EMAIL_READER = TypedReader(EMAIL_REQUEST)


def read_draft(data: Mapping[str, object]) -> tuple[Draft, list[FieldError]]:
    """Convert a request body into a draft without its invalid fields, and the errors of those."""
    if (values := EMAIL_READER.read(data)) is not None:
        return Draft(template=values.pop("template_id", ""), **values), []
    return explain_draft(data)


def explain_draft(data: Mapping[str, object]) -> tuple[Draft, list[FieldError]]:
    """As `read_draft`, by the serializer, which makes the errors."""
    values, errors = EMAIL_REQUEST.inspect(data)
    draft = Draft(template=values.pop("template_id", ""), **values)
    return draft, list(list_field_errors(serializers.ValidationError(errors))) if errors else []


def check_content(given: Collection[str]) -> dict[str, Any]:
    """Check for either complete content or a template. Returns errors by field."""
    raw = [name for name in ("subject", "html", "text") if name in given]
    if "template_id" in given:
        return {name: [wrong("Give a template or content, not both.", "content_conflict")] for name in raw}
    errors = {}
    if "template_vars" in given:
        errors["template_vars"] = [wrong("Variables need a template_id.", "content_conflict")]
    if "locale" in given:
        errors["locale"] = [wrong("A language needs a template_id.", "content_conflict")]
    if "subject" not in raw:
        errors["subject"] = [wrong("A subject is required.", "required")]
    if not {"html", "text"} & set(raw):
        errors["html"] = [wrong("At least one of html and text is required.", "required")]
    return errors


def check_times(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check that scheduled_at is within the next 365 days, and expires_at later than it and now. Returns errors."""
    now = timezone.now()
    errors = {}
    scheduled_at, expires_at = values.get("scheduled_at"), values.get("expires_at")
    if scheduled_at and (error := check_scheduled_at(scheduled_at)):
        errors["scheduled_at"] = [error]
    if expires_at and expires_at <= max(now, scheduled_at or now):
        message = "Must be in the future and later than scheduled_at."
        errors["expires_at"] = [wrong(message, "not_in_future")]
    return errors


def check_scheduled_at(scheduled_at: datetime) -> serializers.ErrorDetail | None:
    now = timezone.now()
    if scheduled_at <= now:
        return wrong("Must be in the future.", "not_in_future")
    if scheduled_at > now + MAX_AHEAD:
        return wrong("Must be at most 365 days ahead.", "too_far_ahead")
    return None


class RescheduleRequest(StrictSerializer):
    """The new time of a scheduled email."""

    scheduled_at = StrictDateTimeField(help_text="In the future, at most 365 days ahead.")

    def validate_scheduled_at(self, value: datetime) -> datetime:
        if error := check_scheduled_at(value):
            raise serializers.ValidationError([error])
        return value


class ResendRequest(LenientSerializer):
    """The recipients of a resend: all, those that failed or bounced, or other addresses."""

    # If an empty list counted as absent, the resend would go to all recipients.
    strict_about = frozenset({"to"})

    recipients = StrictChoiceField(choices=[item.value for item in ResendRecipients], required=False)
    to = AddressListField(required=False, help_text="Other addresses, 1 to 50. Cc and Bcc are left out.")

    def validate_to(self, addresses: list[Address]) -> list[Address]:
        if not addresses:
            fail_field("required", "Must name at least one address.")
        return addresses

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        if {"to", "recipients"} <= set(given):
            return {"to": [wrong("Give recipients or to, not both.", "recipients_conflict")]}
        return {}


class SettleRequest(StrictSerializer):
    """The decision about uncertain attempts."""

    def get_fields(self) -> dict[str, Any]:
        # `as` is a Python keyword.
        return {**super().get_fields(), "as": StrictChoiceField(choices=[item.value for item in Settlement])}


class SettleManyRequest(SettleRequest):
    """The decision about the uncertain attempts of many emails."""

    ids = serializers.ListField(
        child=StrictUUIDField(), min_length=1, max_length=MAX_SETTLED, help_text=f"1 to {MAX_SETTLED} ids of emails."
    )
