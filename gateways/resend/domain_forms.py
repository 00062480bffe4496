"""Our domains and their DNS records in Resend's form.

Source: https://resend.com/docs/api-reference/domains.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rest_framework import serializers

from common.serializers import SingleLineField, StrictBooleanField, StrictSerializer, StrictUUIDField, wrong
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.serializers import MAX_TEXT, DomainOutput, DomainQuery
from gateways.resend.paging import TwoWayQuery

# Resend waits 72 hours in `temporary_failure`, as we do in `warning`: mail is still sent.
STATUSES: Mapping[str, str] = {
    DomainStatus.PENDING: "pending",
    DomainStatus.VERIFIED: "verified",
    DomainStatus.WARNING: "temporary_failure",
    DomainStatus.SUSPENDED: "failed",
}
NOT_CHECKED = "not_started"
RECORD_STATUSES: Mapping[str, str] = {
    RecordStatus.OK: "verified",
    RecordStatus.MISSING: "pending",
    RecordStatus.WRONG: "failed",
    RecordStatus.SEVERAL: "failed",
    RecordStatus.UNKNOWN: NOT_CHECKED,
}
# SPF is checked at the return path's domain.
RECORDS: Mapping[str, str] = {
    RecordPurpose.OWNERSHIP: "Ownership",
    RecordPurpose.DKIM: "DKIM",
    RecordPurpose.RETURN_PATH: "SPF",
    RecordPurpose.TRACKING: "Tracking",
    RecordPurpose.DMARC: "DMARC",
}


class DomainPageQuery(DomainQuery, TwoWayQuery):
    """The list's parameters."""


# What Resend sets for a domain, the values that are so here in any case, and what takes its place.
FIXED: Mapping[str, tuple[Sequence[object], str]] = {
    "open_tracking": ((False,), "Opens are tracked for each email: send track_opens with it."),
    "click_tracking": ((False,), "Clicks are tracked for each email: send track_clicks with it."),
    "tls": (("opportunistic",), "TLS is used with every server that offers it; providers may require it."),
    "tracking_subdomain": ((), "The records of a domain name the host that its links lead to."),
    "custom_return_path": ((), "The records of a domain name its return path."),
    "capabilities": (({"sending": "enabled"}, {"sending": "enabled", "receiving": "disabled"}), "Domains send only."),
}


class DomainSettings(StrictSerializer):
    """Settings that only the values of `FIXED` are taken for."""

    open_tracking = StrictBooleanField(required=False, allow_null=True)
    click_tracking = StrictBooleanField(required=False, allow_null=True)
    tls = SingleLineField(max_length=MAX_TEXT, required=False, allow_null=True)
    tracking_subdomain = SingleLineField(max_length=MAX_TEXT, required=False, allow_null=True)
    custom_return_path = SingleLineField(max_length=MAX_TEXT, required=False, allow_null=True)
    capabilities = serializers.DictField(required=False, allow_null=True)

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:  # noqa: ARG002
        return {
            name: [wrong(sentence, "invalid")]
            for name, (taken, sentence) in FIXED.items()
            if values.get(name) is not None and values[name] not in taken
        }


class NewDomain(DomainSettings):
    """A new domain. Mail leaves from here, whatever the region; the SDKs' examples name one."""

    name = SingleLineField(max_length=MAX_TEXT)
    region = SingleLineField(max_length=MAX_TEXT, required=False, allow_null=True)


class DomainPatch(DomainSettings):
    """Changes of a domain; resend-python repeats the id of the path."""

    id = StrictUUIDField(required=False)


def show_domain_row(domain: Mapping[str, Any]) -> dict[str, Any]:
    """A domain of `/api/v1` in a list."""
    is_checked = domain["checked_at"] or domain["status"] != DomainStatus.PENDING
    return {
        "id": domain["id"],
        "name": domain["name"],
        "status": STATUSES[domain["status"]] if is_checked else NOT_CHECKED,
        "created_at": domain["created_at"],
        "region": None,
    }


def show_domain(row: Domain) -> dict[str, Any]:
    """One domain with its records. Their names are whole, not relative to the domain."""
    domain = DomainOutput(row).data
    records = [
        {
            "record": RECORDS[record["purpose"]],
            "name": record["name"],
            "type": record["type"],
            "ttl": "Auto",
            "status": RECORD_STATUSES[record["status"]],
            "value": record["value"],
        }
        for record in domain["records"]
    ]
    return {"object": "domain", **show_domain_row(domain), "records": records}
