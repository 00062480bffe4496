"""What a project's contact is told about its domains."""

from collections.abc import Sequence

from accounts.services import write_notice
from domains.domain_status import SUSPEND_AFTER, DomainStatus
from domains.models import Domain, RecordCheck

CHANGES: dict[tuple[DomainStatus, DomainStatus], tuple[str, str]] = {
    (DomainStatus.PENDING, DomainStatus.VERIFIED): (
        "domain_verified",
        "{name} is verified: mail can be sent from it.",
    ),
    (DomainStatus.VERIFIED, DomainStatus.WARNING): (
        "domain_warning",
        "{name} has lost what it needs: {records}. Mail still goes out. If this does not change by {deadline} UTC, "
        "sending from it is suspended.",
    ),
    (DomainStatus.WARNING, DomainStatus.SUSPENDED): (
        "domain_suspended",
        "{name} is suspended: {records}. Nothing can be sent from it until the records are back; they are looked for "
        "every hour.",
    ),
    (DomainStatus.WARNING, DomainStatus.VERIFIED): (
        "domain_restored",
        "{name} has its records back: nothing more to do.",
    ),
    (DomainStatus.SUSPENDED, DomainStatus.VERIFIED): (
        "domain_restored",
        "{name} has its records back: mail can be sent from it again.",
    ),
}
LOST = (
    "domain_record_missing",
    "{name} has lost a record that mail can do without: {records}. Mail goes out without what it was for.",
)


def write_change_notice(
    domain: Domain, before: DomainStatus, *, failing: Sequence[RecordCheck], lost: Sequence[RecordCheck]
) -> None:
    """Write a notice when a check changed the standing, or else when a record went that mail can do without.

    `failing` are the necessary records that do not stand, `lost` all that stood before this check and do not now.
    """
    change = (before, DomainStatus(domain.status))
    if change in CHANGES:
        write_domain_notice(domain, *CHANGES[change], checks=failing)
    elif lost and domain.can_send:
        write_domain_notice(domain, *LOST, checks=lost)


def write_domain_notice(domain: Domain, kind: str, text: str, *, checks: Sequence[RecordCheck]) -> None:
    since = domain.failing_since
    sentence = text.format(
        name=domain.name,
        records=", ".join(f"{check.type} {check.name} is {check.status}" for check in checks),
        deadline=f"{since + SUSPEND_AFTER:%Y-%m-%d %H:%M}" if since else "",
    )
    data = {
        "domain_id": str(domain.pk),
        "domain": domain.name,
        "status": domain.status,
        "records": [{"type": check.type, "name": check.name, "status": check.status} for check in checks],
    }
    write_notice(domain.project, kind=kind, text=sentence, data=data)
