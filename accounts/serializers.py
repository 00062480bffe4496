"""The key's own data, as `GET /me` returns it."""

from typing import Any

from rest_framework import serializers

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
    expires_at = StrictDateTimeField(allow_null=True)


class LimitsSerializer(serializers.Serializer[ApiKey]):
    """The IP addresses that may use the key, and the recipients it may send to. An empty list means no limit."""

    allowed_ips = serializers.ListField(child=serializers.CharField())
    allowed_recipients = serializers.ListField(child=serializers.CharField())


class MeSerializer(serializers.Serializer[ApiKey]):
    """The key's project (null for a key of the installation), the key, and its limits."""

    project = ProjectBriefSerializer(allow_null=True)
    key = KeyBriefSerializer(source="*")
    limits = LimitsSerializer(source="*")
