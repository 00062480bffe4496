"""Our bounces and complaints in Postmark's form. Source: https://postmarkapp.com/developer/api/bounce-api."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.serializers import (
    QueryDateTimeField,
    QueryIntegerField,
    QuerySerializer,
    SingleLineField,
    StrictChoiceField,
)
from common.times import format_time
from delivery.judging.terms import Reason
from messages.models import Message
from tracking.models import Event, EventType

# Postmark pages no deeper.
MAX_DEPTH = 10_000
MAX_PAGE = 500


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


class BounceQuery(QuerySerializer):
    """The list's parameters, by Postmark's names."""

    count = QueryIntegerField(min_value=0, max_value=MAX_PAGE)
    offset = QueryIntegerField(min_value=0, max_value=MAX_DEPTH)
    type = StrictChoiceField(choices=list(BY_NAME), required=False)
    inactive = StrictChoiceField(choices=["true", "false"], required=False)
    emailFilter = SingleLineField(required=False, max_length=254)  # noqa: N815  Postmark's names
    messageID = SingleLineField(required=False, max_length=100)  # noqa: N815
    tag = SingleLineField(required=False, max_length=100)
    messagestream = SingleLineField(required=False, max_length=100)
    fromdate = QueryDateTimeField(required=False)
    todate = QueryDateTimeField(required=False)


def show_bounce(event: Event, message: Message | None, *, is_inactive: bool) -> dict[str, Any]:
    """One bounce. `Inactive` tells that the address is suppressed; `activate` lifts that."""
    kind = find_type(event.type, event.data.get("reason"))
    tags = message.tags if message else []
    return {
        "RecordType": "SpamComplaint" if kind is COMPLAINT else "Bounce",
        "ID": event.serial,
        "Type": kind.name,
        "TypeCode": kind.code,
        "Name": kind.title,
        "Tag": tags[0] if tags else None,
        "MessageID": str(event.message_id),
        "ServerID": 0,
        "MessageStream": message.stream if message else None,
        "Description": f"{kind.title}.",
        "Details": event.data.get("reply", ""),
        "Email": event.address,
        "From": message.from_address if message else "",
        "BouncedAt": format_time(event.occurred_at),
        "DumpAvailable": False,
        "Inactive": is_inactive,
        "CanActivate": is_inactive and kind is not COMPLAINT,
        "Subject": message.subject if message else "",
    }
