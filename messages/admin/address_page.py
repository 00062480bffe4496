"""The admin's page of one address: its mail, what keeps mail from it, the proof of that, and its last bounces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEntry
from messages.admin.page import COLOURS, EVENTS, FOR_MACHINES, list_details
from messages.models import Message, Recipient
from messages.selectors import with_rows
from tracking.models import Event, EventType, Suppression, SuppressionWay

MAX_SHOWN = 50
MAX_EVENTS = 20
# The newest messages whose events are looked at: events have no index by address.
MAX_LOOKED_AT = 300
CONSENT = (EventType.UNSUBSCRIBED, EventType.COMPLAINED)
# What people and programs did about the suppressions of an address, by the words of the audit log.
DECISIONS = {
    "suppress": "suppressed it",
    "create_suppression": "suppressed it",
    "release": "released it",
    "release_suppression": "released it",
    "delete_suppression": "released it",
}
WAYS = {
    SuppressionWay.ONE_CLICK: "one-click unsubscribe",
    SuppressionWay.PAGE: "the unsubscribe page",
    SuppressionWay.MAILTO: "a mail to the unsubscribe address",
    SuppressionWay.FEEDBACK: "a bounce or a report",
    SuppressionWay.IMPORT: "a file",
    SuppressionWay.API: "the API or staff",
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """An event of the address, as the page shows it."""

    event: Event
    title: str
    details: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class AddressStory:
    """The data of the page."""

    address: str
    messages: Sequence[Message]
    colours: dict[str, str]
    has_more: bool
    list_url: str
    # With the way by which each came.
    suppressions: Sequence[tuple[Suppression, str]]
    bounces: Sequence[Fact]
    consent: Sequence[Fact]
    decisions: Sequence[tuple[AuditEntry, str]]


def build_address_story(
    address: str, messages: QuerySet[Message], suppressions: QuerySet[Suppression], projects: Sequence[Any]
) -> AddressStory:
    """Build the page's data from the messages and suppressions that the user may see, those of `projects`."""
    lowered = address.strip().lower()
    own = Recipient.objects.alias(lower=Lower("address")).filter(project_id__in=projects, lower=lowered)
    ids = list(own.order_by("-message_id").values_list("message_id", flat=True)[:MAX_LOOKED_AT])
    shown = with_rows(messages.filter(pk__in=ids[: MAX_SHOWN + 1])).select_related("project").order_by("-pk")
    entries = suppressions.filter(address=lowered, project_id__in=projects).select_related("project").order_by("-pk")
    rows, of_person = list(shown), f'to:"{lowered}"'
    events = Event.objects.filter(message_id__in=ids, project_id__in=projects).alias(lower=Lower("address"))
    of_address = events.filter(lower=lowered).order_by("-occurred_at")
    audit = AuditEntry.objects.filter(object=lowered, action__in=DECISIONS, project_id__in=projects).order_by("-pk")
    return AddressStory(
        address=lowered,
        messages=rows[:MAX_SHOWN],
        colours=COLOURS,
        has_more=len(rows) > MAX_SHOWN,
        list_url=f"{reverse('admin:mail_message_changelist')}?{urlencode({'q': of_person})}",
        suppressions=[(row, WAYS[SuppressionWay(row.way)]) for row in entries],
        bounces=[build_fact(event) for event in of_address.filter(type=EventType.BOUNCED)[:MAX_EVENTS]],
        consent=[build_fact(event) for event in of_address.filter(type__in=CONSENT)[:MAX_EVENTS]],
        decisions=[(entry, DECISIONS[entry.action]) for entry in audit[:MAX_EVENTS]],
    )


def build_fact(event: Event) -> Fact:
    data = {name: value for name, value in event.data.items() if name not in FOR_MACHINES}
    return Fact(event=event, title=EVENTS[event.type][1], details=list(list_details(data)))


def address_url(address: str) -> str:
    """The page of an address."""
    return f"{reverse('admin:mail_message_address')}?{urlencode({'of': address})}"


def link_address(address: str) -> SafeString:
    """The address as a link to its page."""
    return format_html('<a href="{}"><bdi>{}</bdi></a>', address_url(address), address)
