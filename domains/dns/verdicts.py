"""The verdict on one expected record, and the rules that apply to every record type."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from delivery.dns import LookUpStatus
from domains.dns.records import ExpectedRecord, RecordPurpose
from domains.dns.resolver import DnsResult, Resolver


class RecordStatus(StrEnum):
    """The state of a record."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    SEVERAL = "several"  # the right record exists, beside others that invalidate it
    UNKNOWN = "unknown"  # not checked yet, or the DNS query failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdict:
    """`found` holds the values at the record's name; `advice` tells the owner what to change and may be empty."""

    status: RecordStatus
    found: tuple[str, ...] = ()
    advice: str = ""


CONSEQUENCES = {
    RecordPurpose.OWNERSHIP: "Until then this domain cannot send mail.",
    RecordPurpose.DKIM: "Until then this key does not sign mail.",
    RecordPurpose.RETURN_PATH: (
        "Until then bounces go to this service's own name, and SPF is not aligned with the domain."
    ),
    RecordPurpose.TRACKING: "Until then tracked links use this service's own name.",
    RecordPurpose.DMARC: "This record is optional, but large mailbox providers expect a policy.",
}
FAILURES = {
    LookUpStatus.SERVFAIL: "The name servers returned a failure",
    LookUpStatus.TIMEOUT: "The name servers did not respond in time",
}


def judge_absence(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict | None:
    """The verdict when the DNS result holds no values, else None."""
    match answer.status:
        case LookUpStatus.FOUND:
            return None
        case LookUpStatus.SERVFAIL | LookUpStatus.TIMEOUT:
            return judge_failure(record, answer)
        case LookUpStatus.ENDLESS:
            advice = f"The alias chain of {record.name} forms a loop. Remove that CNAME record."
            return RecordVerdict(status=RecordStatus.WRONG, found=alias_lines(answer), advice=advice)
        case _:
            return judge_missing(record, answer, resolver)


def judge_failure(record: ExpectedRecord, answer: DnsResult) -> RecordVerdict:
    advice = f"{FAILURES[answer.status]} for {record.name}. The previous status stays until the next check."
    return RecordVerdict(status=RecordStatus.UNKNOWN, found=alias_lines(answer), advice=advice)


def judge_missing(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict:
    advice = explain_missing(record, answer, resolver)
    return RecordVerdict(status=RecordStatus.MISSING, found=alias_lines(answer), advice=advice)


def explain_missing(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> str:
    if answer.aliases:
        return (
            f"{record.name} is an alias of {answer.aliases[-1]}, which has no {record.type} record. "
            f"Replace the alias with the record shown. {CONSEQUENCES[record.purpose]}"
        )
    for zone in list_zones(record.domain):
        doubled = f"{record.name}.{zone}"
        if len(doubled) <= 253 and resolver.look_up(doubled, record.type).status is LookUpStatus.FOUND:
            short = record.name.removesuffix("." + zone)
            return f"The record is at {doubled}, because your DNS provider appends the domain. Enter the name {short}."
    return f"Publish the {record.type} record shown. {CONSEQUENCES[record.purpose]}"


def list_zones(domain: str) -> Iterator[str]:
    """The possible zones of `domain`: the domain and its parents, nearest first."""
    labels = domain.split(".")
    for start in range(min(len(labels) - 1, 4)):
        yield ".".join(labels[start:])


def alias_lines(answer: DnsResult) -> tuple[str, ...]:
    return tuple(f"CNAME {alias}" for alias in answer.aliases)
