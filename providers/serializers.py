"""Providers as the API takes and shows them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

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
from providers.models import Provider, ProviderKind
from providers.routing.health import describe_health
from providers.services import show_settings

MAX_NAME = 100
MAX_TEXT = 4_000
MAX_SETTINGS = 20
SMALL = 32_000


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}})
class SettingsField(serializers.Field[Any, Any, Any, Any]):
    """An object of texts; numbers, `true` and `false` are taken as the texts that a URL would have; null is nothing."""

    default_error_messages = {"invalid": "Must be an object of texts, numbers, true and false."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or len(data) > MAX_SETTINGS:
            self.fail("invalid")
        errors = {
            name[:MAX_NAME]: [wrong(problem, "invalid")] for name, value in data.items() if (problem := check(value))
        }
        if errors:
            raise serializers.ValidationError(errors)
        return {name: write_setting(value) for name, value in data.items() if value not in {None, ""}}

    def to_representation(self, value: Any) -> Any:
        return value


def check(value: object) -> str:
    """Why a setting's value cannot be one, or nothing."""
    if value is not None and not isinstance(value, str | int):
        return "Must be a text, a number, true or false."
    text = str(value)
    return "" if len(text) <= MAX_TEXT and text.isprintable() else "Must be one line of printable characters."


def write_setting(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


class ProviderFields(StrictSerializer):
    """What a provider is, whether new or changed: `url`, or `kind` with `settings`."""

    name = SingleLineField(max_length=MAX_NAME)
    kind = StrictChoiceField(choices=ProviderKind.choices, required=False)
    url = SingleLineField(max_length=MAX_TEXT, required=False, help_text="Holds credentials and is never shown.")
    settings = SettingsField(required=False, help_text="The same by name; credentials are never shown.")
    priority = StrictIntegerField(
        min_value=-SMALL, max_value=SMALL, required=False, help_text="The lowest comes first, by default 0."
    )
    weight = StrictIntegerField(
        min_value=1, max_value=SMALL, required=False, help_text="Its share among those of one priority, by default 1."
    )
    rate_limit = serializers.FloatField(
        min_value=0.001, max_value=100_000, required=False, allow_null=True, help_text="Messages a second."
    )
    connection_limit = StrictIntegerField(
        min_value=1, max_value=SMALL, required=False, allow_null=True, help_text="Connections at once."
    )
    enabled = StrictBooleanField(required=False, source="is_enabled")

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        if {"url", "settings"} <= set(given):
            return {"settings": [wrong("Give url or settings, not both.", "conflict")]}
        return {}


class ProviderInput(ProviderFields):
    """A new provider."""

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        conflicts = super().find_conflicts(values, given)
        if not {"url", "kind"} & set(given):
            conflicts["kind"] = [wrong("Give url, or kind with settings.", "required")]
        return conflicts


class ProviderChange(ProviderFields):
    """What may change on a provider."""

    name = SingleLineField(max_length=MAX_NAME, required=False)


class HealthOutput(serializers.Serializer[object]):
    """How a provider does, in one word, and for people why and until when."""

    status = serializers.CharField(help_text="ok, paused, disabled or failing.")
    reason = serializers.CharField()
    until = StrictDateTimeField(allow_null=True)


class ProviderOutput(serializers.Serializer[Provider]):
    """A provider without its credentials. `settings` is null for a shared one."""

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
    created_at = StrictDateTimeField()
    updated_at = StrictDateTimeField()

    def get_shared(self, provider: Provider) -> bool:
        return provider.project_id is None

    def get_settings(self, provider: Provider) -> dict[str, str] | None:
        return None if provider.project_id is None else show_settings(provider)

    def get_health(self, provider: Provider) -> dict[str, Any]:
        return dict(HealthOutput(describe_health(provider)).data)


class OwnProviderOutput(ProviderOutput):
    """What whoever may change the provider sees beside: where its ESP is to send events to."""

    events_url = serializers.SerializerMethodField()

    def get_events_url(self, provider: Provider) -> str | None:
        """A secret: whoever knows it can tell what became of mail."""
        if provider.project_id is None or provider.kind != ProviderKind.ESP:
            return None
        return build_events_url(provider)


def build_events_url(provider: Provider) -> str:
    """The address for an ESP's event webhooks."""
    return f"{settings.PUBLIC_URL}/feedback/{provider.pk}/{provider.event_secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCursor:
    """A place in the list of providers: just behind the one that this describes, whether or not that is still there."""

    is_shared: bool
    priority: int
    pk: UUID

    def write(self) -> str:
        """The place as callers see it."""
        return f"{self.is_shared:d}.{self.priority}.{self.pk}"


@extend_schema_field({"type": "string"})
class ProviderCursorField(serializers.Field[ProviderCursor, str, str, Any]):
    """A `next` of the list of providers."""

    default_error_messages = {"invalid_cursor": "Must be the `next` of a page before."}

    def to_internal_value(self, data: str) -> ProviderCursor:
        match = PLACE.fullmatch(data)
        if match is None:
            self.fail("invalid_cursor")
        return ProviderCursor(is_shared=match[1] == "1", priority=int(match[2]), pk=UUID(match[3]))

    def to_representation(self, value: ProviderCursor) -> str:
        return value.write()


PLACE = re.compile(r"([01])\.(-?[0-9]{1,5})\.([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})", re.ASCII)


class ProviderQuery(PageQuery):
    """The list's parameters."""

    after = ProviderCursorField(required=False, help_text="The `next` of the page before.")


class PauseInput(StrictSerializer):
    """For how long, and why. Without a time: until it is resumed."""

    seconds = StrictIntegerField(min_value=1, max_value=30 * 24 * 3600, required=False, allow_null=True)
    reason = SingleLineField(max_length=500, required=False, allow_blank=True, default="")


class CheckOutput(serializers.Serializer[object]):
    """What came of asking a provider whether it would take mail."""

    ok = serializers.BooleanField()
    detail = serializers.CharField()
