"""Our domains and their DNS records in Resend's form.

Source: https://resend.com/docs/api-reference/domains.
"""

from collections.abc import Mapping
from typing import Any

from common.serializers import SingleLineField, StrictSerializer
from domains.dns.records import RecordPurpose
from domains.dns.verdicts import RecordStatus
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.serializers import MAX_TEXT, DomainOutput

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


class NewDomain(StrictSerializer):
    """A new domain. Mail leaves from here, whatever the region; the SDKs' examples name one."""

    name = SingleLineField(max_length=MAX_TEXT)
    region = SingleLineField(max_length=MAX_TEXT, required=False, allow_null=True)


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
