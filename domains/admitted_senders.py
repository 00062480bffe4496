"""Why a sender was admitted, and whether that still holds when its mail is about to be sent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db.models import TextChoices

from domains.domain_status import SENDING
from domains.models import Domain
from domains.trusted_senders import is_trusted


class SenderBasis(TextChoices):
    """The reason for which a sender was admitted."""

    # The project has verified the sender's domain.
    VERIFIED = "verified"
    # The operator trusts the domain (TRUSTED_SENDER_DOMAINS), or is the sender (NOTICE_FROM).
    TRUSTED = "trusted"
    # The project's mail could reach only the local inbox and the simulator.
    LOCAL_ONLY = "local_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedSender:
    """An admitted sender: the project's domain of that name, if there is one, and the reason.

    `sender_id` identifies what the admission depends on: the domain, the trust in a name (`trusted_senders.trust_id`),
    or the project. None for a sender that needs no second check.
    """

    basis: SenderBasis
    domain: Domain | None = None
    sender_id: UUID | None = None


class SenderState(StrEnum):
    """The result of a second check."""

    ADMITTED = "admitted"
    # The domain is suspended: the mail waits for its verification.
    SUSPENDED = "suspended"
    # The reason is gone for good.
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderToCheck:
    """A sender as it was admitted; `is_local_only`: whether the project's mail can reach only the local inbox now."""

    project_id: UUID
    sender_id: UUID
    basis: SenderBasis
    domain: str
    is_local_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFinding:
    """The state of a sender. `why` is a sentence for people about what is lost.

    `is_local_only`: it is admitted for the sole reason that its mail can reach only the local inbox now.
    """

    state: SenderState
    why: str = ""
    is_local_only: bool = False


ADMITTED = SenderFinding(state=SenderState.ADMITTED)
ADMITTED_LOCALLY = SenderFinding(state=SenderState.ADMITTED, is_local_only=True)


def check_senders(senders: Collection[SenderToCheck]) -> Mapping[SenderToCheck, SenderFinding]:
    """Check senders again, in two queries for any number.

    A sender is admitted if its domain is verified for the project or trusted now, whatever the reason was. One that was
    admitted as local only is also admitted while the project is local only.
    """
    names = {sender.domain for sender in senders}
    own = {
        (domain.project_id, domain.name): domain
        for domain in Domain.objects.filter(project__in={sender.project_id for sender in senders}, name__in=names)
    }
    verified_names = set(Domain.objects.filter(name__in=names, status__in=SENDING).values_list("name", flat=True))
    return {
        sender: check_sender(
            sender, own.get((sender.project_id, sender.domain)), is_verified_elsewhere=sender.domain in verified_names
        )
        for sender in senders
    }


def check_sender(sender: SenderToCheck, own: Domain | None, *, is_verified_elsewhere: bool) -> SenderFinding:
    """Check a sender; `own` is the project's present domain of that name, and not verified if another one is."""
    if (own and own.can_send) or is_trusted(sender.domain):
        return ADMITTED
    if sender.basis is SenderBasis.LOCAL_ONLY:
        if sender.is_local_only:
            return ADMITTED_LOCALLY
        why = "when it was accepted, the project's mail could reach only the local inbox, which is no longer so"
    elif sender.basis is SenderBasis.TRUSTED:
        why = "the operator of this service no longer trusts it"
    elif own is None or own.pk != sender.sender_id:
        why = "the domain was deleted from the project"
    elif is_verified_elsewhere:
        why = "the domain is suspended, and another project has verified it"
    else:
        return SenderFinding(state=SenderState.SUSPENDED)
    return SenderFinding(state=SenderState.LOST, why=f"The sender at {sender.domain} is not admitted any more: {why}.")
