"""What a check says about one expected record, and the verdicts that hold for every type of record."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from delivery.dns import LookUpStatus
from domains.dns.records import ExpectedRecord, RecordPurpose
from domains.dns.resolver import DnsResult, Resolver


class RecordStatus(StrEnum):
    """How a record stands."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    SEVERAL = "several"  # the right one is there, beside others that make it void
    UNKNOWN = "unknown"  # never asked yet, or the DNS failed to answer: no verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdict:
    """`found` is what stands at the record's name; `advice` says in plain words what to change, or is empty."""

    status: RecordStatus
    found: tuple[str, ...] = ()
    advice: str = ""


CONSEQUENCES = {
    RecordPurpose.OWNERSHIP: "Until then nothing can be sent from this domain.",
    RecordPurpose.DKIM: "Until then no mail is signed with this key.",
    RecordPurpose.RETURN_PATH: (
        "Until then bounces go to this service's own name, and SPF does not align with the domain."
    ),
    RecordPurpose.TRACKING: "Until then tracked links lead to this service's own name.",
    RecordPurpose.DMARC: "This is advice, not a condition: large mailbox providers expect a policy.",
}
FAILURES = {
    LookUpStatus.SERVFAIL: "The name servers answered with a failure",
    LookUpStatus.TIMEOUT: "The name servers did not answer in time",
}


def judge_absence(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict | None:
    """The verdict when the answer holds no values, else None."""
    match answer.status:
        case LookUpStatus.FOUND:
            return None
        case LookUpStatus.SERVFAIL | LookUpStatus.TIMEOUT:
            return judge_failure(record, answer)
        case LookUpStatus.ENDLESS:
            advice = f"The aliases that start at {record.name} never end. Remove that CNAME record."
            return RecordVerdict(status=RecordStatus.WRONG, found=alias_lines(answer), advice=advice)
        case _:
            return judge_missing(record, answer, resolver)


def judge_failure(record: ExpectedRecord, answer: DnsResult) -> RecordVerdict:
    advice = f"{FAILURES[answer.status]} for {record.name}. Nothing follows from that; it will be asked again."
    return RecordVerdict(status=RecordStatus.UNKNOWN, found=alias_lines(answer), advice=advice)


def judge_missing(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict:
    advice = explain_missing(record, answer, resolver)
    return RecordVerdict(status=RecordStatus.MISSING, found=alias_lines(answer), advice=advice)


def explain_missing(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> str:
    if answer.aliases:
        return (
            f"{record.name} is an alias of {answer.aliases[-1]}, which has no {record.type} record. "
            f"Replace the alias by the record shown. {CONSEQUENCES[record.purpose]}"
        )
    for zone in list_zones(record.domain):
        doubled = f"{record.name}.{zone}"
        if len(doubled) <= 253 and resolver.look_up(doubled, record.type).status is LookUpStatus.FOUND:
            short = record.name.removesuffix("." + zone)
            return f"The record stands at {doubled}: your DNS provider adds the domain itself. Enter the name {short}."
    return f"Publish the {record.type} record shown. {CONSEQUENCES[record.purpose]}"


def list_zones(domain: str) -> Iterator[str]:
    """The names, nearest first, that may be the zone in which the records of `domain` are edited."""
    labels = domain.split(".")
    for start in range(min(len(labels) - 1, 4)):
        yield ".".join(labels[start:])


def alias_lines(answer: DnsResult) -> tuple[str, ...]:
    return tuple(f"CNAME {alias}" for alias in answer.aliases)
