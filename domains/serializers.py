"""Serializers of sending domains."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import PageQuery, SingleLineField, StrictChoiceField, StrictDateTimeField, StrictSerializer
from delivery.dns import RecordType
from domains.dkim_keys import Algorithm
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.published_records import shown_records

# Longer than any address with a display name; the parsers apply the exact limits.
MAX_TEXT = 1_000


class DomainInput(StrictSerializer):
    """A new domain."""

    name = SingleLineField(max_length=MAX_TEXT)
    default_from = SingleLineField(max_length=MAX_TEXT, required=False, allow_blank=True, allow_null=True)
    dkim_algorithms = serializers.ListField(
        child=StrictChoiceField(Algorithm.choices), required=False, allow_null=True, max_length=10
    )


class DomainChange(StrictSerializer):
    """Changes to a domain."""

    default_from = SingleLineField(max_length=MAX_TEXT, required=False, allow_blank=True, allow_null=True)


class RotationInput(StrictSerializer):
    """The algorithms of the new keys; by default those of the domain's keys."""

    dkim_algorithms = serializers.ListField(
        child=StrictChoiceField(Algorithm.choices), required=False, allow_null=True, max_length=10
    )


class DomainQuery(PageQuery):
    """Query parameters of the list."""

    name = serializers.CharField(max_length=MAX_TEXT, required=False)


class RecordOutput(serializers.Serializer[object]):
    """A record to publish, the values found at its name, and advice."""

    purpose = serializers.ChoiceField([purpose.value for purpose in RecordPurpose], source="record.purpose")
    type = serializers.ChoiceField([kind.value for kind in RecordType], source="record.type")
    name = serializers.CharField(source="record.name")
    value = serializers.CharField(source="record.value")
    status = serializers.ChoiceField([status.value for status in RecordStatus])
    found = serializers.ListField(child=serializers.CharField())
    advice = serializers.CharField()
    checked_at = StrictDateTimeField(allow_null=True)


class DomainOutput(serializers.Serializer[Domain]):
    """A domain with its records."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(DomainStatus.choices)
    default_from = serializers.SerializerMethodField()
    created_at = StrictDateTimeField()
    verified_at = StrictDateTimeField(allow_null=True)
    checked_at = StrictDateTimeField(allow_null=True)
    failing_since = StrictDateTimeField(allow_null=True)
    records = serializers.SerializerMethodField()

    def get_default_from(self, domain: Domain) -> str | None:
        return domain.default_from or None

    @extend_schema_field(RecordOutput(many=True))
    def get_records(self, domain: Domain) -> list[dict[str, object]]:
        return [RecordOutput(shown).data for shown in shown_records(domain)]
