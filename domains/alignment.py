"""Whether the names that SPF and DKIM authenticate are aligned with a mail's From (RFC 7489, 3.1).

It is told from the records that were found at the last check, so it asks no DNS.
"""

from dataclasses import dataclass

from django.db.models import TextChoices

from domains.public_suffixes import find_registered_domain


class AlignmentState(TextChoices):
    """The state of one mechanism."""

    ALIGNED = "aligned"
    NOT_ALIGNED = "not_aligned"
    # Another service decides it, or its record is not among those that are checked.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """The alignment of a mail with the domain of its From, by mechanism."""

    spf: AlignmentState
    dkim: AlignmentState

    @property
    def dmarc(self) -> AlignmentState:
        """DMARC passes by either mechanism (RFC 7489, 4.2)."""
        states = (self.spf, self.dkim)
        return next((state for state in (AlignmentState.ALIGNED, AlignmentState.UNKNOWN) if state in states), states[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """What a mail will be authenticated by.

    `return_host` is the host of its return path, empty if that is the sender's own address. `is_signed`: a key of the
    sender's domain signs it. `is_relayed`: a relay or an email service may sign it too; `has_foreign_path`: the
    provider puts a return path of its own in place of ours.
    """

    sender_domain: str
    return_host: str
    is_signed: bool
    is_relayed: bool
    has_foreign_path: bool


def find_alignment(mail: Authenticated) -> Alignment:
    """The alignment, relaxed as it is by default: domains of one registered domain are aligned."""
    return Alignment(spf=judge_spf(mail), dkim=judge_dkim(mail))


def judge_spf(mail: Authenticated) -> AlignmentState:
    if mail.has_foreign_path or not mail.return_host:
        return AlignmentState.UNKNOWN
    is_aligned = find_registered_domain(mail.return_host) == find_registered_domain(mail.sender_domain)
    return AlignmentState.ALIGNED if is_aligned else AlignmentState.NOT_ALIGNED


def judge_dkim(mail: Authenticated) -> AlignmentState:
    if mail.is_signed:
        return AlignmentState.ALIGNED
    return AlignmentState.UNKNOWN if mail.is_relayed else AlignmentState.NOT_ALIGNED
