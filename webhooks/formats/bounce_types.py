"""Postmark's types of bounces. Source: https://postmarkapp.com/developer/api/bounce-api#bounce-types."""

from collections.abc import Mapping
from dataclasses import dataclass

from delivery.judging.terms import Reason
from webhooks.event_types import EventType


@dataclass(frozen=True, slots=True)
class BounceType:
    """A type of Postmark with its code and its words."""

    name: str
    code: int
    title: str


HARD = BounceType("HardBounce", 1, "Hard bounce")
SOFT = BounceType("SoftBounce", 4096, "Soft bounce")
BLOCKED = BounceType("Blocked", 100006, "ISP block")
COMPLAINT = BounceType("SpamComplaint", 100001, "Spam complaint")
SPAM = BounceType("SpamNotification", 512, "Spam notification")
VIRUS = BounceType("VirusNotification", 16384, "Virus notification")
DNS = BounceType("DnsError", 256, "DNS error")
DMARC = BounceType("DMARCPolicy", 100009, "DMARC policy")
UNKNOWN = BounceType("Unknown", 2048, "Unknown")

BY_REASON: Mapping[str, BounceType] = {
    Reason.NO_SUCH_USER: HARD,
    Reason.MOVED: HARD,
    Reason.HOST_UNKNOWN: DNS,
    Reason.NO_MAIL_SERVICE: DNS,
    Reason.BLOCKED: BLOCKED,
    Reason.SENDER_REJECTED: BLOCKED,
    Reason.POLICY: BLOCKED,
    Reason.SPAM: SPAM,
    Reason.VIRUS: VIRUS,
    Reason.AUTHENTICATION: DMARC,
    Reason.UNKNOWN: UNKNOWN,
}
TYPES = (HARD, SOFT, BLOCKED, COMPLAINT, SPAM, VIRUS, DNS, DMARC, UNKNOWN)
BY_NAME: Mapping[str, BounceType] = {item.name: item for item in TYPES}


def find_type(type_: str, reason: str | None) -> BounceType:
    """Postmark's type of an event of ours."""
    if type_ == EventType.COMPLAINED:
        return COMPLAINT
    return BY_REASON.get(reason or "", SOFT) if reason else UNKNOWN
