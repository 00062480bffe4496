"""Verdicts on the names that must point to this service: return path and tracking host."""

from delivery.dns import LookUpStatus, RecordType
from domains.dns.records import ExpectedRecord
from domains.dns.resolver import DnsResult, Resolver
from domains.dns.verdicts import RecordStatus, RecordVerdict, judge_absence, judge_failure, judge_missing, list_zones


def judge_tracking(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """Check that the tracking host points to this service."""
    if record.name == record.value:
        advice = "This is the service's own name. No record is needed."
        return RecordVerdict(status=RecordStatus.OK, found=(record.value,), advice=advice)
    answer = resolver.look_up(record.name, record.type)
    if record.type is RecordType.CNAME:
        return judge_alias(record, answer, resolver)
    return judge_absence(record, answer, resolver) or judge_addresses(record, answer.values)


def judge_return_path(record: ExpectedRecord, resolver: Resolver) -> RecordVerdict:
    """Check that the return path points to this service, and that the service's name has one SPF record."""
    verdict = judge_tracking(record, resolver)
    if verdict.status is not RecordStatus.OK or verdict.advice:
        return verdict
    answer = resolver.look_up(record.name, RecordType.TXT)
    policies = [value for value in answer.values if value.lower().split(" ")[0] == "v=spf1"]
    if not answer.status.is_definite or len(policies) == 1:
        return verdict
    fault = (
        "publishes no SPF record" if not policies else "publishes several SPF records, which invalidates all of them"
    )
    advice = f"This record is correct, but {record.value} {fault}. The operator of this service has to fix that."
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
    return f"The alias points to {target}. Change it to {record.value}."


def judge_flattened(record: ExpectedRecord, answer: DnsResult, resolver: Resolver) -> RecordVerdict:
    """Without a CNAME, compare addresses: ALIAS records and CNAME flattening publish the target's addresses."""
    own, ours = (collect_addresses(name, resolver) for name in (record.name, record.value))
    if own is not None and not own:
        return judge_missing(record, answer, resolver)
    if own is None or ours is None:
        return judge_failure(record, DnsResult(status=LookUpStatus.TIMEOUT))
    if own <= ours:
        return RecordVerdict(status=RecordStatus.OK, found=tuple(sorted(own)))
    advice = (
        f"{record.name} has its own address records. Remove them and publish the CNAME shown. "
        "If your DNS provider proxies this name, turn the proxy off."
    )
    return RecordVerdict(status=RecordStatus.WRONG, found=tuple(sorted(own)), advice=advice)


def collect_addresses(name: str, resolver: Resolver) -> set[str] | None:
    """All IPv4 and IPv6 addresses of a name; None when one of the two queries failed."""
    answers = [resolver.look_up(name, record_type) for record_type in (RecordType.A, RecordType.AAAA)]
    if not all(answer.status.is_definite for answer in answers):
        return None
    return {value for answer in answers for value in answer.values}


def judge_addresses(record: ExpectedRecord, values: tuple[str, ...]) -> RecordVerdict:
    if record.value not in values:
        advice = f"The address is {', '.join(values)}. Change it to {record.value}."
        return RecordVerdict(status=RecordStatus.WRONG, found=values, advice=advice)
    if len(values) > 1:
        advice = f"There are several addresses. Keep only {record.value}."
        return RecordVerdict(status=RecordStatus.SEVERAL, found=values, advice=advice)
    return RecordVerdict(status=RecordStatus.OK, found=values)
