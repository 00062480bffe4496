"""What a key may learn of itself."""

from typing import Any

from rest_framework import serializers

from accounts.models import ApiKey
from common.serializers import StrictDateTimeField


class ProjectBriefSerializer(serializers.Serializer[Any]):
    """The project, as its own key sees it."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class KeyBriefSerializer(serializers.Serializer[ApiKey]):
    """The key without its secret. A `test` key's mail never reaches a provider."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    test = serializers.BooleanField(source="is_test")
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = StrictDateTimeField(allow_null=True)


class LimitsSerializer(serializers.Serializer[ApiKey]):
    """From where the key may be used, and to whom it may send. Empty lists mean no limit."""

    allowed_ips = serializers.ListField(child=serializers.CharField())
    allowed_recipients = serializers.ListField(child=serializers.CharField())


class MeSerializer(serializers.Serializer[ApiKey]):
    """The key's project, the key, its limits."""

    project = ProjectBriefSerializer()
    key = KeyBriefSerializer(source="*")
    limits = LimitsSerializer(source="*")
