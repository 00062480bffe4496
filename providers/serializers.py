"""Serializers of providers."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.errors import FieldError, InvalidFieldsError, join_path
from common.serializers import (
    PageQuery,
    SingleLineField,
    StrictBooleanField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
    wrong,
)
from delivery.mailboxes.opening import PORTS
from providers.bounce_mailboxes import MAX_PART, describe_mailbox
from providers.configuration.model import Flaw, Given
from providers.models import Provider, ProviderKind
from providers.routing.health import describe_health
from providers.services import show_settings
from providers.targets import check_target, find_target

MAX_NAME = 100
MAX_TEXT = 4_000
MAX_SETTINGS = 20
MAX_DIGITS = 18
SMALL = 32_000


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}})
class SettingsField(serializers.Field[Any, Any, Any, Any]):
    """An object of strings; `port` may be a number, `verify` true or false. null removes a setting."""

    default_error_messages = {"invalid": "Must be an object of settings by name."}

    def to_internal_value(self, data: Any) -> dict[str, str | Flaw]:
        """The settings as texts. A value of another type is a `Flaw`, which is reported with what else is wrong."""
        if not isinstance(data, dict) or len(data) > MAX_SETTINGS:
            self.fail("invalid")
        return {name: read_setting(name, value) for name, value in data.items() if value != ""}

    def to_representation(self, value: Any) -> Any:
        return value


# The settings that may have another type than a string. `"host": true` would else be a server named `yes`.
NUMBERS, SWITCHES = frozenset({"port"}), frozenset({"verify"})


def read_setting(name: str, value: object) -> str | Flaw:
    """A setting as a text; null, which removes it, is empty."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() if name in SWITCHES:
            return "yes" if value else "no"
        case int() if name in NUMBERS and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS:
            return str(value)
    if name in NUMBERS:
        return Flaw("Must be a whole number or a string.")
    return Flaw("Must be true, false or a string." if name in SWITCHES else "Must be a string.")


class MailboxParts(StrictSerializer):
    """The parts of a bounce mailbox."""

    protocol = StrictChoiceField(choices=sorted(PORTS))
    host = SingleLineField(max_length=MAX_PART)
    port = StrictIntegerField(min_value=1, max_value=65_535, required=False, allow_null=True)
    username = SingleLineField(max_length=MAX_PART, required=False)
    password = SingleLineField(max_length=MAX_PART, required=False)
    folder = SingleLineField(max_length=MAX_PART, required=False, allow_blank=True)
    keep = StrictBooleanField(required=False)


@extend_schema_field(
    {
        "oneOf": [
            {
                "type": "object",
                "required": ["protocol", "host"],
                "properties": {
                    "protocol": {"type": "string", "enum": sorted(PORTS)},
                    "host": {"type": "string", "maxLength": MAX_PART},
                    "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65_535},
                    "username": {"type": "string", "maxLength": MAX_PART},
                    "password": {"type": "string", "maxLength": MAX_PART},
                    "folder": {"type": "string", "maxLength": MAX_PART},
                    "keep": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
            {"type": "string", "maxLength": MAX_TEXT},
        ]
    }
)
class MailboxField(serializers.Field[Any, Any, Any, Any]):
    """A bounce mailbox by its parts, as texts; or its URL, as it came: `read_mailbox` takes both."""

    default_error_messages = {"invalid": "Must be an object with protocol, host, username and password."}

    def to_internal_value(self, data: Any) -> str | dict[str, str]:
        if isinstance(data, str):
            url: str = SingleLineField(max_length=MAX_TEXT).run_validation(data)
            return url
        if not isinstance(data, Mapping):
            self.fail("invalid")
        parts = MailboxParts().run_validation(data)
        parts["keep"] = "yes" if parts.get("keep") else "no"
        return {name: str(value) for name, value in parts.items() if value is not None}

    def to_representation(self, value: Any) -> Any:
        return value


class ProviderFields(StrictSerializer):
    """The fields of new and changed providers: `url`, or `kind` with `settings`."""

    name = SingleLineField(max_length=MAX_NAME)
    kind = StrictChoiceField(choices=ProviderKind.choices, required=False)
    url = SingleLineField(
        max_length=MAX_TEXT, required=False, help_text="The settings as a URL. It holds credentials and is never shown."
    )
    settings = SettingsField(required=False, help_text="The settings by name. Credentials are never shown.")
    priority = StrictIntegerField(
        min_value=-SMALL, max_value=SMALL, required=False, help_text="The lowest value is used first. Default: 0."
    )
    weight = StrictIntegerField(
        min_value=1,
        max_value=SMALL,
        required=False,
        help_text="Share of the mail among providers of the same priority. Default: 1.",
    )
    rate_limit = serializers.FloatField(
        min_value=0.001, max_value=100_000, required=False, allow_null=True, help_text="Messages per second."
    )
    connection_limit = StrictIntegerField(
        min_value=1, max_value=SMALL, required=False, allow_null=True, help_text="Concurrent connections."
    )
    enabled = StrictBooleanField(required=False, source="is_enabled")
    bounce_mailbox = MailboxField(
        required=False,
        allow_null=True,
        help_text="A mailbox where bounces come back: `protocol`, `host`, `port`, `username`, `password`, `folder`, "
        "and `keep` to keep the reports there. A URL `imaps://user:password@host:993/folder?keep=yes` is taken too. "
        "It is opened at once. A change without the login keeps that of the same host. null removes the mailbox.",
    )

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        if {"url", "settings"} <= set(given):
            return {"settings": [wrong("Give url or settings, not both.", "conflict")]}
        return self.find_setting_errors(values, given)

    def find_setting_errors(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        """The errors of the settings, so that they are reported with those of all other fields. `kept`, in the
        context, is the provider to be changed.
        """
        kept: Provider | None = self.context.get("kept")
        target = find_target(values, kept)
        if target is None or any(name in given and name not in values for name in ("kind", "url", "settings")):
            # Without a valid kind nothing is known of the settings but their types.
            return nest_errors(list_flaws(values.get("settings", {})))
        try:
            check_target(target, is_operated=False, kept=kept)
        except InvalidFieldsError as error:
            return nest_errors(error.errors)
        return {}


def list_flaws(settings: Given) -> list[FieldError]:
    flaws = [(name, value) for name, value in settings.items() if isinstance(value, Flaw)]
    return [FieldError(join_path("settings", name), "invalid_provider", flaw.message) for name, flaw in flaws]


def nest_errors(errors: Iterable[FieldError]) -> dict[str, Any]:
    """Errors by field in DRF's form: those of settings by their names."""
    nested: dict[str, Any] = {}
    for error in errors:
        field, _, name = error.field.partition(".")
        detail = wrong(error.message, error.code)
        if field == "settings":
            nested.setdefault(field, {}).setdefault(name, []).append(detail)
        else:
            nested.setdefault(field, []).append(detail)
    return nested


class ProviderInput(ProviderFields):
    """A new provider."""

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        conflicts = super().find_conflicts(values, given)
        if not {"url", "kind"} & set(given):
            conflicts["kind"] = [wrong("Give url or kind with settings.", "required")]
        return conflicts


class ProviderChange(ProviderFields):
    """Changes to a provider."""

    name = SingleLineField(max_length=MAX_NAME, required=False)


class HealthOutput(serializers.Serializer[object]):
    """The health of a provider: its status, the reason, and the end of a pause."""

    status = serializers.CharField(help_text="ok, paused, disabled, failing or unreadable.")
    reason = serializers.CharField()
    until = StrictDateTimeField(allow_null=True)


class BounceMailboxOutput(serializers.Serializer[object]):
    """A bounce mailbox without its login. `failure` tells why it cannot be read now."""

    protocol = serializers.CharField(help_text="imaps or pop3s.")
    host = serializers.CharField()
    port = serializers.IntegerField()
    folder = serializers.CharField()
    keep = serializers.BooleanField(help_text="Whether reports stay in the mailbox after they were read.")
    fetched_at = StrictDateTimeField(allow_null=True)
    failure = serializers.CharField(allow_blank=True)


class ProviderOutput(serializers.Serializer[Provider]):
    """A provider without its credentials. `settings` is null for a shared provider."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ProviderKind.choices)
    shared = serializers.SerializerMethodField()
    settings = serializers.SerializerMethodField()
    priority = serializers.IntegerField()
    weight = serializers.IntegerField()
    rate_limit = serializers.FloatField(allow_null=True)
    connection_limit = serializers.IntegerField(allow_null=True)
    enabled = serializers.BooleanField(source="is_enabled")
    health = serializers.SerializerMethodField()
    bounce_mailbox = serializers.SerializerMethodField()
    created_at = StrictDateTimeField()
    updated_at = StrictDateTimeField()

    def get_shared(self, provider: Provider) -> bool:
        return provider.project_id is None

    def get_settings(self, provider: Provider) -> dict[str, str] | None:
        return None if provider.project_id is None else show_settings(provider)

    @extend_schema_field(BounceMailboxOutput(allow_null=True))
    def get_bounce_mailbox(self, provider: Provider) -> dict[str, Any] | None:
        """The provider's bounce mailbox; null without one and for shared providers."""
        found = describe_mailbox(provider) if provider.project_id else None
        return None if found is None else dict(BounceMailboxOutput(found).data)

    def get_health(self, provider: Provider) -> dict[str, Any]:
        return dict(HealthOutput(describe_health(provider)).data)


class OwnProviderOutput(ProviderOutput):
    """A provider with the URL for its ESP's events, which is shown only to keys that may change the provider."""

    events_url = serializers.SerializerMethodField()

    def get_events_url(self, provider: Provider) -> str | None:
        """The URL for the ESP's events. It is a secret: a holder could report false events."""
        if provider.project_id is None or provider.kind != ProviderKind.ESP:
            return None
        return build_events_url(provider)


def build_events_url(provider: Provider) -> str:
    """The URL for an ESP's event webhooks."""
    return f"{settings.PUBLIC_URL}/feedback/{provider.pk}/{provider.event_secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCursor:
    """A position in the list of providers: after the described one, which may have been deleted since."""

    is_shared: bool
    priority: int
    pk: UUID

    def write(self) -> str:
        """The cursor in the form of the API."""
        return f"{self.is_shared:d}.{self.priority}.{self.pk}"


@extend_schema_field({"type": "string"})
class ProviderCursorField(serializers.Field[ProviderCursor, str, str, Any]):
    """A cursor from `next` of the list of providers."""

    default_error_messages = {"invalid_cursor": "Must be the `next` of a previous page."}

    def to_internal_value(self, data: str) -> ProviderCursor:
        match = PLACE.fullmatch(data)
        if match is None:
            self.fail("invalid_cursor")
        return ProviderCursor(is_shared=match[1] == "1", priority=int(match[2]), pk=UUID(match[3]))

    def to_representation(self, value: ProviderCursor) -> str:
        return value.write()


PLACE = re.compile(r"([01])\.(-?[0-9]{1,5})\.([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})", re.ASCII)


class ProviderQuery(PageQuery):
    """Query parameters of the list."""

    after = ProviderCursorField(required=False, help_text="The `next` of the previous page.")


class ProviderPauseInput(StrictSerializer):
    """Length and reason of a pause. Without `seconds` it lasts until the provider is resumed."""

    seconds = StrictIntegerField(min_value=1, max_value=30 * 24 * 3600, required=False, allow_null=True)
    reason = SingleLineField(max_length=500, required=False, allow_blank=True, default="")


class CheckOutput(serializers.Serializer[object]):
    """The result of testing a provider."""

    ok = serializers.BooleanField()
    detail = serializers.CharField()
