"""The DNS records that the owner of a sending domain is asked to publish."""

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
    """What a record is for."""

    OWNERSHIP = "ownership"
    DKIM = "dkim"
    RETURN_PATH = "return_path"
    TRACKING = "tracking"
    DMARC = "dmarc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRecord:
    """A record to publish: names are A-labels without a final dot, a TXT value is one string without quotes."""

    purpose: RecordPurpose
    type: RecordType
    name: str
    value: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """What the expected records of one sending domain are made from.

    `dkim` holds (selector, value of the TXT record) for each key; `host` is this service's public host name or address.
    """

    domain: str
    ownership_token: str
    dkim: Iterable[tuple[str, str]]
    host: str


def expected_records(zone: Zone) -> list[ExpectedRecord]:
    """All records, in the order in which they are shown."""
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
    # One alias brings the MX and SPF that the operator keeps at the service's own name; the domain's owner never has
    # to follow a change of them.
    yield RecordPurpose.RETURN_PATH, RETURN_PATH_LABEL, alias_type(zone.host), zone.host
    yield RecordPurpose.TRACKING, TRACKING_LABEL, alias_type(zone.host), zone.host
    yield RecordPurpose.DMARC, "_dmarc", RecordType.TXT, "v=DMARC1; p=none"


def alias_type(host: str) -> RecordType:
    """The type that makes another name lead to `host`: nothing but a name can be the target of a CNAME."""
    try:
        address = ip_address(host)
    except ValueError:
        return RecordType.CNAME
    return RecordType.A if address.version == 4 else RecordType.AAAA
