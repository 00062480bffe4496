"""The DNS records that the owner of a sending domain publishes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from delivery.dns import RecordType

OWNERSHIP_LABEL = "_emailsvc"
OWNERSHIP_PREFIX = "emailsvc-verification="
RETURN_PATH_LABEL = "bounce"
TRACKING_LABEL = "link"


class RecordPurpose(StrEnum):
    """The purpose of a record."""

    OWNERSHIP = "ownership"
    DKIM = "dkim"
    RETURN_PATH = "return_path"
    TRACKING = "tracking"
    DMARC = "dmarc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRecord:
    """A record to publish. Names are A-labels without a final dot; a TXT value is one string without quotes."""

    purpose: RecordPurpose
    type: RecordType
    name: str
    value: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The inputs of the expected records of one sending domain.

    `dkim` holds (selector, value of the TXT record) for each key; `host` is this service's public host name or address.
    """

    domain: str
    ownership_token: str
    dkim: Iterable[tuple[str, str]]
    host: str


def expected_records(zone: Zone) -> list[ExpectedRecord]:
    """All records, in display order."""
    return [
        ExpectedRecord(
            purpose=purpose, type=record_type, name=f"{label}.{zone.domain}", value=value, domain=zone.domain
        )
        for purpose, label, record_type, value in list_rows(zone)
    ]


def list_rows(zone: Zone) -> Iterator[tuple[RecordPurpose, str, RecordType, str]]:
    yield RecordPurpose.OWNERSHIP, OWNERSHIP_LABEL, RecordType.TXT, OWNERSHIP_PREFIX + zone.ownership_token
    for selector, value in zone.dkim:
        yield RecordPurpose.DKIM, f"{selector}._domainkey", RecordType.TXT, value
    # The alias covers the MX and SPF records that the operator keeps at the service's own name, so that the domain's
    # owner need not follow changes of them.
    yield RecordPurpose.RETURN_PATH, RETURN_PATH_LABEL, alias_type(zone.host), zone.host
    yield RecordPurpose.TRACKING, TRACKING_LABEL, alias_type(zone.host), zone.host
    yield RecordPurpose.DMARC, "_dmarc", RecordType.TXT, "v=DMARC1; p=none"


def alias_type(host: str) -> RecordType:
    """The record type that points a name to `host`: A or AAAA for an address, CNAME for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return RecordType.CNAME
    return RecordType.A if address.version == 4 else RecordType.AAAA
