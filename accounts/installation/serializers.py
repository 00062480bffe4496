"""JSON of the management API: projects, keys, limits, and the audit log."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from accounts.models import ApiKey, AuditEntry, Project
from accounts.project_settings import check_header_pattern, check_link_scheme
from accounts.scopes import ALL
from accounts.services import check_network, check_pattern, check_project_name
from accounts.tokens import check_key_name
from common.addresses import AddressError, parse_address
from common.errors import ApiError
from common.serializers import (
    PageQuery,
    QueryDateTimeField,
    SingleLineField,
    StrictBooleanField,
    StrictCharField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
    TimeField,
)

MAX_ITEMS = 100
# 30 days.
MAX_OVERLAP = 30 * 86_400
# A day's or a month's limit beyond this would be none.
MAX_MESSAGES = 10**12


class CheckedField(SingleLineField):
    """A line that `check` brings into its stored form; its error becomes the field's."""

    def __init__(self, check: Callable[[str], str], **options: Any) -> None:
        super().__init__(**options)
        self.check = check

    def to_internal_value(self, data: Any) -> str:
        try:
            return self.check(super().to_internal_value(data))
        except ApiError as error:
            raise serializers.ValidationError(error.detail, code=error.code) from None
        except AddressError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None


def list_of(check: Callable[[str], str], **options: Any) -> "serializers.ListField":
    return serializers.ListField(child=CheckedField(check, max_length=320), max_length=MAX_ITEMS, **options)


def check_sender(text: str) -> str:
    """A default sender, which may have a name; empty for none."""
    if text.strip():
        parse_address(text.strip())
    return text.strip()


def check_contact(text: str) -> str:
    return parse_address(text.strip()).address if text.strip() else ""


class ProjectQuery(PageQuery):
    """The list of projects."""

    name = StrictCharField(required=False, help_text="The project with exactly this name.")


class PercentField(serializers.FloatField):
    """A number from 0.01 to 100: neither `"5"` nor `true`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0.01, max_value=100, **options)

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


def percent_field(what: str, default: float) -> PercentField:
    text = f"Above this rate of {what} in 24 hours the guard slows bulk mail; null: never."
    return PercentField(default=default, allow_null=True, help_text=text)


class ProjectInput(StrictSerializer):
    """A project's settings, all of them."""

    name = CheckedField(
        check_project_name, max_length=100, help_text="1 to 100 characters; no two projects have the same name."
    )
    contact_email = CheckedField(
        check_contact, default="", allow_blank=True, help_text="The address that gets the project's notices."
    )
    default_from = CheckedField(
        check_sender,
        default="",
        allow_blank=True,
        max_length=600,
        help_text="The sender of emails that name none: `a@example.com` or `Name <a@example.com>`.",
    )
    allowed_headers = list_of(
        check_header_pattern,
        default=list,
        help_text="Control headers of mail services that its emails may have: `X-SMTPAPI` or `X-MC-*`.",
    )
    link_schemes = list_of(
        check_link_scheme, default=list, help_text="Schemes of its own that links of its templates may have: `myapp`."
    )
    guard_bounce_percent = percent_field("bounces", 5.0)
    guard_complaint_percent = percent_field("complaints", 0.3)


class ProjectOutput(serializers.Serializer[Project]):
    """A project."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    contact_email = serializers.CharField()
    default_from = serializers.CharField()
    allowed_headers = serializers.ListField(child=serializers.CharField())
    link_schemes = serializers.ListField(child=serializers.CharField())
    guard_bounce_percent = serializers.FloatField(allow_null=True)
    guard_complaint_percent = serializers.FloatField(allow_null=True)
    created_at = StrictDateTimeField()
    closed_at = TimeField(help_text="Null unless the project is closed.")


def limit_field(help_text: str, most: int = 2**31 - 1) -> StrictIntegerField:
    return StrictIntegerField(min_value=1, max_value=most, default=None, allow_null=True, help_text=help_text)


class LimitsInput(StrictSerializer):
    """The limits of a project or of a key. Null means no limit."""

    takes_null = True
    requests_per_second = limit_field("Requests in a second.")
    messages_per_second = limit_field("Messages accepted in a second, whatever the number of their recipients.")
    messages_per_day = limit_field("Messages accepted on a day in UTC.", MAX_MESSAGES)
    messages_per_month = limit_field("Messages accepted in a month in UTC.", MAX_MESSAGES)


class LimitsOutput(serializers.Serializer[Any]):
    """The limits; null means no limit."""

    requests_per_second = serializers.IntegerField(allow_null=True)
    messages_per_second = serializers.IntegerField(allow_null=True)
    messages_per_day = serializers.IntegerField(allow_null=True)
    messages_per_month = serializers.IntegerField(allow_null=True)


class KeyQuery(PageQuery):
    """The list of keys."""

    project_id = serializers.UUIDField(required=False, help_text="Keys of this project.")
    prefix = StrictCharField(required=False, help_text="Keys that begin so: the visible part of a key.")


class KeyInput(StrictSerializer):
    """A new key of a project."""

    project_id = StrictUUIDField()
    name = CheckedField(
        check_key_name, max_length=100, default="", allow_blank=True, help_text="The purpose of the key."
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(ALL)), max_length=MAX_ITEMS, help_text="`admin` is not for these."
    )
    test = StrictBooleanField(default=False, help_text="Mail of a test key never reaches a provider.")
    expires_at = StrictDateTimeField(default=None, allow_null=True)
    allowed_ips = list_of(
        check_network, default=list, help_text="Addresses or networks that may use the key; empty: any."
    )
    allowed_recipients = list_of(
        check_pattern, default=list, help_text="`a@example.com` or `*@example.com`; empty: any recipient."
    )
    hold_for_approval = StrictBooleanField(
        default=False, help_text="Mail of the key waits until a person approves it in the admin."
    )


class RotateInput(StrictSerializer):
    """How long the old key goes on."""

    overlap_seconds = StrictIntegerField(
        min_value=0, max_value=MAX_OVERLAP, default=0, help_text="Seconds that the old key still works: up to 30 days."
    )


class KeyOutput(serializers.Serializer[ApiKey]):
    """A key without its secret. `project_id` is null for a key of the installation."""

    id = serializers.UUIDField()
    project_id = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    prefix = serializers.CharField()
    test = serializers.BooleanField(source="is_test")
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_ips = serializers.ListField(child=serializers.CharField())
    allowed_recipients = serializers.ListField(child=serializers.CharField())
    hold_for_approval = serializers.BooleanField()
    expires_at = TimeField()
    last_used_at = TimeField()
    revoked_at = TimeField()
    replaced_by = serializers.UUIDField(
        source="replaced_by_id", allow_null=True, help_text="The key that a rotation made in its place."
    )
    created_at = StrictDateTimeField()


class KeyWithSecret(KeyOutput):
    """A new key with its text, which is shown only here."""

    key = serializers.CharField(source="shown_token")


class AuditQuery(PageQuery):
    """The audit log."""

    project_id = serializers.UUIDField(required=False, help_text="Entries about this project.")
    actor = StrictCharField(required=False, help_text="A key's prefix, a user's name, or `command`.")
    action = StrictCharField(required=False, help_text="`create_api_key`, for example.")
    object = StrictCharField(required=False, help_text="Exactly as the entries tell it.")
    since = QueryDateTimeField(required=False, help_text="Entries from this time on.")
    until = QueryDateTimeField(required=False, help_text="Entries before this time.")


class AuditOutput(serializers.Serializer[AuditEntry]):
    """Who did what to which object, when, from where, and why."""

    id = serializers.UUIDField()
    at = StrictDateTimeField()
    actor = serializers.CharField()
    action = serializers.CharField()
    object = serializers.CharField()
    project_id = serializers.UUIDField(allow_null=True)
    origin = serializers.CharField(
        help_text="The client's IP address; for a command `uid N@machine`; empty in entries of earlier releases."
    )
    reason = serializers.CharField(help_text="The `Audit-Reason` of the request, or what the command was given.")
    data = serializers.DictField()  # type: ignore[assignment]
