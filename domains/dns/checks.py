"""Checking a domain's records against the DNS, all at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from domains.dns.alias_checks import judge_return_path, judge_tracking
from domains.dns.records import ExpectedRecord, Purpose
from domains.dns.resolver import Resolver
from domains.dns.txt_checks import judge_dkim, judge_dmarc, judge_ownership
from domains.dns.verdicts import Verdict

JUDGES: dict[Purpose, Callable[[ExpectedRecord, Resolver], Verdict]] = {
    Purpose.OWNERSHIP: judge_ownership,
    Purpose.DKIM: judge_dkim,
    Purpose.RETURN_PATH: judge_return_path,
    Purpose.TRACKING: judge_tracking,
    Purpose.DMARC: judge_dmarc,
}
# A dead name server costs each record several waits; side by side they cost one record's.
PARALLEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expected record and what the DNS says about it."""

    record: ExpectedRecord
    verdict: Verdict


def check_records(records: Sequence[ExpectedRecord], resolver: Resolver) -> list[Check]:
    """Every record judged, in the order given. Talks to the network: never inside a transaction."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        verdicts = pool.map(lambda record: JUDGES[record.purpose](record, resolver), records)
        return [Check(record=record, verdict=verdict) for record, verdict in zip(records, verdicts, strict=True)]
