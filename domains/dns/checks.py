"""Check a domain's records against the DNS, in parallel."""

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
# With a dead name server each record costs several timeouts; in parallel all records cost as much as one.
PARALLEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRecord:
    """One expected record and its verdict."""

    record: ExpectedRecord
    verdict: RecordVerdict


def check_records(records: Sequence[ExpectedRecord], resolver: Resolver) -> list[CheckedRecord]:
    """The verdict on every record, in the given order. Queries the DNS: call it outside transactions."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        verdicts = pool.map(lambda record: JUDGES[record.purpose](record, resolver), records)
        return [
            CheckedRecord(record=record, verdict=verdict) for record, verdict in zip(records, verdicts, strict=True)
        ]
