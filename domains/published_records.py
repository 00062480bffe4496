"""A domain's records for its owner: the records to publish, each with the result of the last check."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from domains.dns.records import OWNERSHIP_LABEL, ExpectedRecord, RecordPurpose, Zone, expected_records
from domains.dns.verdicts import RecordStatus
from domains.domain_status import SENDING
from domains.models import DkimKey, Domain, RecordCheck

# Mail signed with the old key may be retried for days, and the recipient's server verifies it on arrival.
KEEP_RETIRED = timedelta(days=7)
NOT_ASKED = "Not checked yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """A record to publish and its state. Before the first check `found` is empty and the status is `unknown`.

    Without the records that are `is_needed` the domain cannot send.
    """

    record: ExpectedRecord
    status: RecordStatus
    found: list[str]
    advice: str
    checked_at: datetime | None
    is_needed: bool


def public_host() -> str:
    """This service's own host name or address, the target of return paths and tracking hosts."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"


def records_of(domain: Domain) -> list[ExpectedRecord]:
    """All records that the domain's owner has to publish now."""
    keys = sorted(domain.dkim_keys.all(), key=lambda key: (key.retired_at is not None, key.created_at))
    dkim = [(key.selector, key.public_record) for key in keys]
    return expected_records(
        Zone(domain=domain.name, ownership_token=domain.ownership_token, dkim=dkim, host=public_host())
    )


def necessary_names(domain: Domain) -> list[str]:
    """The names of the records that sending requires: the proof of ownership and the signing RSA key.

    A waiting key counts only while no key signs. Ed25519 keys do not count, since most receivers cannot verify them.
    Reads `dkim_keys`: prefetch them for several domains.
    """
    keys = [key for key in domain.dkim_keys.all() if key.retired_at is None and key.algorithm == DkimKey.Algorithm.RSA]
    keys.sort(key=lambda key: (key.activated_at is None, key.activated_at or key.created_at, key.created_at))
    return [f"{OWNERSHIP_LABEL}.{domain.name}", *(key.record_name for key in keys[:1])]


def shown_records(domain: Domain) -> Iterator[ShownRecord]:
    """The records with their states. Reads `dkim_keys` and `record_checks`: prefetch both for several domains."""
    checks = {(check.name, check.value): check for check in domain.record_checks.all()}
    needed = set(necessary_names(domain))
    partings = {key.record_name: explain_parting(key) for key in domain.dkim_keys.all()}
    for record in records_of(domain):
        check = checks.get((record.name, record.value))
        yield ShownRecord(
            record=record,
            status=RecordStatus(check.status) if check else RecordStatus.UNKNOWN,
            found=check.found if check else [],
            advice=partings.get(record.name) or (advise(domain, check) if check else NOT_ASKED),
            checked_at=check.checked_at if check else None,
            is_needed=record.name in needed,
        )


def advise(domain: Domain, check: RecordCheck) -> str:
    """The advice of the last check; for a right tracking record, also why its host is not used."""
    is_right = check.purpose == RecordPurpose.TRACKING and check.status == RecordStatus.OK
    if not is_right or not domain.tracking_fault:
        return check.advice
    rest = f'Links use {public_host()} until it answers; see "HTTPS for tracking hosts" in the documentation.'
    return f"This record is correct, but {domain.tracking_fault} {rest}"


def explain_parting(key: DkimKey) -> str:
    """Advice on the record of a retired key; `""` for any other key."""
    if key.retired_at is None:
        return ""
    until = key.retired_at + KEEP_RETIRED
    return f"A newer key signs now. Keep this record until {until:%Y-%m-%d %H:%M} UTC, then remove it."


def may_have_certificate(host: str) -> bool:
    """Whether a host is the tracking host of a domain whose ownership and tracking records are found, in use or not."""
    if "\0" in host:
        # PostgreSQL takes no NUL.
        return False
    found = RecordCheck.objects.filter(status=RecordStatus.OK)
    owned = found.filter(purpose=RecordPurpose.OWNERSHIP).values("domain_id")
    name = host.lower().removesuffix(".")
    return found.filter(purpose=RecordPurpose.TRACKING, name=name, domain_id__in=owned).exists()


def list_tracking_hosts() -> list[str]:
    """The tracking hosts of all domains of all projects whose record is ok; links in sent mail have them."""
    standing = RecordCheck.objects.filter(purpose=RecordPurpose.TRACKING, status=RecordStatus.OK)
    return list(standing.filter(domain__status__in=SENDING).values_list("name", flat=True).distinct())
