"""Check domains against the DNS and apply the results: activate keys, change statuses, write notices."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least, Now
from django.utils import timezone

from common.errors import NotFoundError
from domains.dkim_keys import activate_keys, forget_retired_keys
from domains.dns.checks import CheckedRecord, check_records
from domains.dns.records import RecordPurpose
from domains.dns.resolver import Resolver, default_resolver
from domains.dns.verdicts import RecordStatus
from domains.domain_status import DomainState, DomainStatus, Findings, check_interval, next_domain_state
from domains.models import Domain, RecordCheck
from domains.notices import write_change_notice
from domains.published_records import necessary_names, public_host, records_of
from domains.signing_identities import identities
from domains.tracking_probe import probe_host

# A check that did not finish is repeated after this time.
CLAIM_TIME = timedelta(minutes=15)
# A tracking host that does not answer is asked again after this time.
PROBE_AGAIN = timedelta(hours=1)
# A hostile zone may hold thousands of values at one name.
MAX_FOUND = 20


Probe = Callable[[str, Resolver], str]


def verify_domain(domain: Domain, resolver: Resolver | None = None, probe: Probe | None = None) -> Domain:
    """Check all records and the tracking host of a domain and store the verdicts; the result is the updated domain.

    Queries the DNS and the host for at most some seconds: call it outside transactions. NotFoundError when the domain
    is removed meanwhile.
    """
    resolver = resolver or default_resolver()
    verify_records(domain, resolver)
    # Afterwards, because a proxy asks us whether it may get the host a certificate; the answer is in the records.
    verify_tracking_host(domain, resolver, probe or probe_host)
    verified = Domain.objects.select_related("project").filter(pk=domain.pk).first()
    if verified is None:
        raise NotFoundError
    return verified


def verify_tracking_host(domain: Domain, resolver: Resolver, probe: Probe) -> None:
    """Ask the tracking host, if its record is right, and store whether links may use it."""
    right = RecordCheck.objects.filter(domain=domain, purpose=RecordPurpose.TRACKING, status=RecordStatus.OK)
    host = right.values_list("name", flat=True).first()
    # Our own name needs no proof: links use PUBLIC_URL.
    has_own = host is not None and host != public_host()
    fault = probe(host, resolver) if host is not None and has_own else ""
    found = Domain.objects.filter(pk=domain.pk)
    found.update(is_tracking_usable=has_own and not fault, tracking_fault=fault)
    if fault:
        found.update(next_check_at=Least(F("next_check_at"), Now() + PROBE_AGAIN))
    identities.forget(domain.pk)


def verify_records(domain: Domain, resolver: Resolver) -> None:
    """Check the domain's records and store the verdicts. NotFoundError."""
    began_at = timezone.now()
    checks = check_records(records_of(domain), resolver)
    with transaction.atomic():
        locked = Domain.objects.select_for_update(of=["self"]).select_related("project").filter(pk=domain.pk).first()
        if locked is None:
            raise NotFoundError
        if locked.checked_at is None or locked.checked_at < began_at:
            conclude(locked, checks, began_at)
        transaction.on_commit(lambda: identities.forget(locked.pk))


def recheck_domains(resolver: Resolver | None = None, *, budget: timedelta = timedelta(minutes=5)) -> Counter[str]:
    """Check the due domains, for at most `budget`; the result counts the domains per resulting status.

    Safe to run twice or concurrently: each domain is claimed by moving its next check ahead.
    """
    resolver = resolver or default_resolver()
    deadline = monotonic() + budget.total_seconds()
    statuses: Counter[str] = Counter()
    while monotonic() < deadline and (domain := claim_due_domain()):
        try:
            statuses[verify_domain(domain, resolver).status] += 1
        except NotFoundError:
            continue
    return statuses


def claim_due_domain() -> Domain | None:
    with transaction.atomic():
        due = Domain.objects.select_for_update(skip_locked=True).filter(next_check_at__lte=Now())
        domain = due.order_by("next_check_at").first()
        if domain:
            Domain.objects.filter(pk=domain.pk).update(next_check_at=Now() + CLAIM_TIME)
    return domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A stored check, whether the record was ok before, and whether the DNS responded this time."""

    stored: RecordCheck
    was_ok: bool
    is_certain: bool

    @property
    def is_ok(self) -> bool:
        return self.stored.status == RecordStatus.OK


def conclude(domain: Domain, checks: Sequence[CheckedRecord], now: datetime) -> None:
    """Store the verdicts of a check that began at `now` and apply them. The caller has locked the domain's row."""
    forget_retired_keys(domain, now)
    judged = {each.stored.name: each for each in store_checks(domain, checks, now)}
    keys = list(domain.dkim_keys.order_by("created_at"))
    activate_keys([key for key in keys if key.record_name in judged and judged[key.record_name].is_ok], now)
    retired = set(domain.dkim_keys.filter(retired_at__isnull=False).values_list("selector", flat=True))
    names = necessary_names(domain)
    necessary = [judged[name] for name in names if name in judged]
    findings = Findings(
        # A key that was created during the check has no verdict yet.
        is_sound=len(necessary) == len(names) and all(each.is_ok for each in necessary),
        is_certain=any(each.is_certain and not each.is_ok for each in necessary),
    )
    before = DomainStatus(domain.status)
    update_domain_state(domain, findings, now)
    lost = [each.stored for each in judged.values() if each.was_ok and not each.is_ok]
    write_change_notice(
        domain,
        before,
        failing=[each.stored for each in necessary if not each.is_ok],
        lost=[check for check in lost if check.name.partition(".")[0] not in retired],
    )


def store_checks(domain: Domain, checks: Sequence[CheckedRecord], now: datetime) -> list[Judged]:
    """Store the verdicts on records that are still expected, and delete the checks of all other records."""
    before = {check.name: check for check in domain.record_checks.all()}
    expected = records_of(domain)
    judged = [
        judge_record(domain, check, before.get(check.record.name), now) for check in checks if check.record in expected
    ]
    RecordCheck.objects.bulk_create(
        [each.stored for each in judged],
        update_conflicts=True,
        unique_fields=["domain", "name"],
        update_fields=["purpose", "type", "value", "status", "found", "advice", "checked_at"],
    )
    domain.record_checks.exclude(name__in=[record.name for record in expected]).delete()
    return judged


def judge_record(domain: Domain, check: CheckedRecord, before: RecordCheck | None, now: datetime) -> Judged:
    """A verdict merged with the previous one, which is kept while the DNS does not respond."""
    record, verdict = check.record, check.verdict
    is_certain = verdict.status is not RecordStatus.UNKNOWN
    if before and before.value != record.value:
        before = None
    stored = RecordCheck(
        domain=domain,
        purpose=record.purpose,
        type=record.type,
        name=record.name,
        value=record.value,
        status=verdict.status if is_certain or not before else before.status,
        found=list(verdict.found[:MAX_FOUND]) if is_certain or not before else before.found,
        advice=verdict.advice,
        checked_at=now if is_certain else before.checked_at if before else None,
    )
    return Judged(stored=stored, was_ok=before is not None and before.status == RecordStatus.OK, is_certain=is_certain)


def update_domain_state(domain: Domain, findings: Findings, now: datetime) -> None:
    """Store the domain's next state and the time of its next check."""
    standing = DomainState(status=DomainStatus(domain.status), failing_since=domain.failing_since)
    after = next_domain_state(standing, findings, now)
    domain.status, domain.failing_since = after.status, after.failing_since
    if domain.can_send and domain.verified_at is None:
        domain.verified_at = now
    domain.checked_at = now
    domain.next_check_at = now + check_interval(after.status, now - domain.created_at)
    domain.save(update_fields=["status", "failing_since", "verified_at", "checked_at", "next_check_at"])
