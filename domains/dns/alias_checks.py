"""Verdicts on the names that have to lead to this service: return path and tracking host."""

from delivery.dns import LookUpStatus, RecordType
from domains.dns.records import ExpectedRecord
from domains.dns.resolver import DnsResult, Resolver
from domains.dns.verdicts import RecordStatus, RecordVerdict, judge_absence, judge_failure, judge_missing, list_zones


def judge_tracking(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """The tracking host leads to this service."""
    if record.name == record.value:
        advice = "This is the service's own name: nothing to publish."
        return RecordVerdict(status=RecordStatus.OK, found=(record.value,), advice=advice)
    answer = resolver.look_up(record.name, record.type)
    if record.type is RecordType.CNAME:
        return judge_alias(record, answer, resolver)
    return judge_absence(record, answer, resolver) or judge_addresses(record, answer.values)


def judge_return_path(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """The return path leads to this service, whose SPF record then speaks for it."""
    verdict = judge_tracking(record, resolver)
    if verdict.status is not RecordStatus.OK or verdict.advice:
        return verdict
    answer = resolver.look_up(record.name, RecordType.TXT)
    policies = [value for value in answer.values if value.lower().split(" ")[0] == "v=spf1"]
    if not answer.status.is_definite or len(policies) == 1:
        return verdict
    fault = "publishes no SPF record" if not policies else "publishes several SPF records, which makes all of them void"
    advice = f"This record is right, but {record.value} {fault}. The operator of this service has to put that right."
    return RecordVerdict(status=RecordStatus.OK, found=verdict.found, advice=advice)


def judge_alias(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict:
    if record.value in answer.aliases:
        return RecordVerdict(status=RecordStatus.OK, found=answer.values)
    if answer.status is LookUpStatus.NO_DATA:
        return judge_flattened(record, answer, resolver)
    if verdict := judge_absence(record, answer, resolver):
        return verdict
    return RecordVerdict(
        status=RecordStatus.WRONG, found=answer.values, advice=explain_target(record, answer.values[0])
    )


def explain_target(record: ExpectedRecord, target: str) -> str:
    if any(target == f"{record.value}.{zone}" for zone in list_zones(record.domain)):
        return f"Your DNS provider added the domain to the target. Write it with a final dot: {record.value}."
    return f"The alias leads to {target}. Make it {record.value}."


def judge_flattened(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict:
    """Without a CNAME, equal addresses do as well: ALIAS records and flattening look like that from outside."""
    own, ours = (collect_addresses(name, resolver) for name in (record.name, record.value))
    if own is not None and not own:
        return judge_missing(record, answer, resolver)
    if own is None or ours is None:
        return judge_failure(record, DnsResult(status=LookUpStatus.TIMEOUT))
    if own <= ours:
        return RecordVerdict(status=RecordStatus.OK, found=tuple(sorted(own)))
    advice = (
        f"{record.name} has addresses of its own in place of an alias. Remove them and publish the CNAME shown; "
        "if a proxy of your DNS provider stands in between, turn it off for this name."
    )
    return RecordVerdict(status=RecordStatus.WRONG, found=tuple(sorted(own)), advice=advice)


def collect_addresses(name: str, resolver: Resolver) -> set[str] | None:
    """All addresses of a name; None when the DNS did not answer for one of the two families."""
    answers = [resolver.look_up(name, record_type) for record_type in (RecordType.A, RecordType.AAAA)]
    if not all(answer.status.is_definite for answer in answers):
        return None
    return {value for answer in answers for value in answer.values}


def judge_addresses(record: ExpectedRecord, values: tuple[str, ...]) -> RecordVerdict:
    if record.value not in values:
        advice = f"The address is {', '.join(values)}. Make it {record.value}."
        return RecordVerdict(status=RecordStatus.WRONG, found=values, advice=advice)
    if len(values) > 1:
        advice = f"There are several addresses. Leave only {record.value}."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=values, advice=advice)
    return RecordVerdict(status=RecordStatus.OK, found=values)
