"""Records as lines of a zone file (RFC 1035, 5.1), for DNS providers that import one."""

from collections.abc import Iterable

from delivery.dns import RecordType
from domains.dns.records import ExpectedRecord

# RFC 1035, 3.3: a character-string in a TXT record.
MAX_STRING = 255
SECONDS = 3600


def zone_line(record: ExpectedRecord) -> str:
    """One record. A long TXT value is split into strings; names end with a dot, so that no origin is added to them."""
    match record.type:
        case RecordType.TXT:
            parts = [record.value[start : start + MAX_STRING] for start in range(0, len(record.value), MAX_STRING)]
            data = " ".join(f'"{part}"' for part in parts)
        case RecordType.CNAME:
            data = f"{record.value}."
        case _:
            data = record.value
    return f"{record.name}. {SECONDS} IN {record.type} {data}"


def write_zone(records: Iterable[ExpectedRecord]) -> str:
    """A file of all records, a line each."""
    return "".join(f"{zone_line(record)}\n" for record in records)
