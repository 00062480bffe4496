"""The key's own data, as `GET /me` returns it."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.installation.limits import find_limits
from accounts.installation.serializers import LimitsOutput
from accounts.models import ApiKey
from common.serializers import StrictDateTimeField


class ProjectBriefSerializer(serializers.Serializer[Any]):
    """The project of the calling key."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class KeyBriefSerializer(serializers.Serializer[ApiKey]):
    """The key without its secret. Mail of a `test` key never reaches a provider."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    test = serializers.BooleanField(source="is_test")
    scopes = serializers.ListField(child=serializers.CharField())
    hold_for_approval = serializers.BooleanField(help_text="Whether mail of the key waits for a person's approval.")
    expires_at = StrictDateTimeField(allow_null=True)


class LimitsSerializer(serializers.Serializer[ApiKey]):
    """The IP addresses that may use the key, and the recipients it may send to; an empty list means no limit. And the
    amounts that the key and its project may use.
    """

    allowed_ips = serializers.ListField(child=serializers.CharField())
    allowed_recipients = serializers.ListField(child=serializers.CharField())
    key = serializers.SerializerMethodField(help_text="The limits of the key.")
    project = serializers.SerializerMethodField(
        help_text="The limits of all keys of the project together; null for a key of the installation."
    )

    @extend_schema_field(LimitsOutput)
    def get_key(self, key: ApiKey) -> dict[str, int | None]:
        return asdict(find_limits(key))

    @extend_schema_field(LimitsOutput(allow_null=True))
    def get_project(self, key: ApiKey) -> dict[str, int | None] | None:
        return asdict(find_limits(key.project)) if key.project else None


class MeSerializer(serializers.Serializer[ApiKey]):
    """The key's project (null for a key of the installation), the key, and its limits."""

    project = ProjectBriefSerializer(allow_null=True)
    key = KeyBriefSerializer(source="*")
    limits = LimitsSerializer(source="*")
