"""Notices about a project's domains to the project's contact."""

from collections.abc import Sequence

from accounts.services import write_notice
from domains.domain_status import SUSPEND_AFTER, DomainStatus
from domains.models import Domain, RecordCheck

CHANGES: dict[tuple[DomainStatus, DomainStatus], tuple[str, str]] = {
    (DomainStatus.PENDING, DomainStatus.VERIFIED): (
        "domain_verified",
        "{name} is verified. It can send mail now.",
    ),
    (DomainStatus.VERIFIED, DomainStatus.WARNING): (
        "domain_warning",
        "{name} has lost necessary records: {records}. It can still send mail. Without these records by {deadline} UTC "
        "the domain will be suspended.",
    ),
    (DomainStatus.WARNING, DomainStatus.SUSPENDED): (
        "domain_suspended",
        "{name} is suspended: {records}. Nothing can be sent from it until the records are back; they are looked for "
        "every hour.",
    ),
    (DomainStatus.WARNING, DomainStatus.VERIFIED): (
        "domain_restored",
        "The records of {name} are back. No action is needed.",
    ),
    (DomainStatus.SUSPENDED, DomainStatus.VERIFIED): (
        "domain_restored",
        "The records of {name} are back. It can send mail again.",
    ),
}
LOST = (
    "domain_record_missing",
    "{name} has lost an optional record: {records}. It can still send mail, but without the function of that record.",
)


def write_change_notice(
    domain: Domain, before: DomainStatus, *, failing: Sequence[RecordCheck], lost: Sequence[RecordCheck]
) -> None:
    """Write a notice when a check changed the domain's status, or else when an optional record was lost.

    `failing` holds the necessary records that are not ok, `lost` all records that were ok until this check.
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
