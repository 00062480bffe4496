"""Our bounces and complaints in Postmark's form. Source: https://postmarkapp.com/developer/api/bounce-api."""

from typing import Any

from common.serializers import SingleLineField, StrictChoiceField
from common.times import format_time
from gateways.postmark.queries import MomentField, RowsQuery
from messages.models import Message
from tracking.models import Event
from webhooks.formats.bounce_types import BY_NAME, COMPLAINT, find_type


class BounceQuery(RowsQuery):
    """The list's parameters."""

    type = StrictChoiceField(choices=list(BY_NAME), required=False)
    inactive = StrictChoiceField(choices=["true", "false"], required=False)
    emailFilter = SingleLineField(required=False, max_length=254)  # noqa: N815  Postmark's names
    messageID = SingleLineField(required=False, max_length=100)  # noqa: N815
    tag = SingleLineField(required=False, max_length=100)
    messagestream = SingleLineField(required=False, max_length=100)
    fromdate = MomentField(required=False)
    todate = MomentField(required=False, is_end=True)


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
