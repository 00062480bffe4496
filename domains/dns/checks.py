"""Checking a domain's records against the DNS, all at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from domains.dns.alias_checks import judge_return_path, judge_tracking
from domains.dns.records import ExpectedRecord, RecordPurpose
from domains.dns.resolver import Resolver
from domains.dns.txt_checks import judge_dkim, judge_dmarc, judge_ownership
from domains.dns.verdicts import RecordVerdict

JUDGES: dict[RecordPurpose, Callable[[ExpectedRecord, Resolver], RecordVerdict]] = {
    RecordPurpose.OWNERSHIP: judge_ownership,
    RecordPurpose.DKIM: judge_dkim,
    RecordPurpose.RETURN_PATH: judge_return_path,
    RecordPurpose.TRACKING: judge_tracking,
    RecordPurpose.DMARC: judge_dmarc,
}
# A dead name server costs each record several waits; side by side they cost one record's.
PARALLEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRecord:
    """One expected record and what the DNS says about it."""

    record: ExpectedRecord
    verdict: RecordVerdict


def check_records(records: Sequence[ExpectedRecord], resolver: Resolver) -> list[CheckedRecord]:
    """Every record judged, in the order given. Talks to the network: never inside a transaction."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        verdicts = pool.map(lambda record: JUDGES[record.purpose](record, resolver), records)
        return [
            CheckedRecord(record=record, verdict=verdict) for record, verdict in zip(records, verdicts, strict=True)
        ]
