"""The owner of a domain: publishes the required records."""

from collections.abc import Collection

from domains.dns.records import RecordPurpose
from domains.models import Domain
from domains.published_records import records_of
from tests.domains.dns_server import DnsServer


def publish_records(server: DnsServer, domain: Domain, *, without: Collection[RecordPurpose] = ()) -> None:
    """Enter all records of the domain into the zone, beside what other owners entered at the same names."""
    for record in records_of(domain):
        if record.purpose in without:
            continue
        others = (
            server.zone.get((record.name, record.type.value), []) if record.purpose is RecordPurpose.OWNERSHIP else []
        )
        value = record.value + "." if record.type.value == "CNAME" else record.value
        server.put(record.name, record.type.value, *others, value)


def remove_records(server: DnsServer, domain: Domain, purpose: RecordPurpose) -> None:
    """Take the domain's records for one purpose out of the zone."""
    for record in records_of(domain):
        if record.purpose is purpose:
            server.drop(record.name, record.type.value)
