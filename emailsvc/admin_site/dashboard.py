"""The admin's first page: a search for messages, undelivered mail, notices, and the state of the queue."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Notice
from accounts.people.reach import Reach, find_reach
from common.ids import least_id_at
from common.times import age_of, format_age
from messages.admin.page import COLOURS
from messages.models import Message
from messages.queue_stats import QueueState, read_queue
from messages.selectors import with_rows
from messages.states import Status

LOOKED_BACK = timedelta(days=7)
SHOWN = 10


def fill_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The page's content, limited to what this user may view."""
    mail = find_reach(request.user, "mail.view_message")
    if mail.is_everywhere:
        context["queue"] = describe_queue(read_queue())
    if mail:
        context |= {"may_see_mail": True, "troubled": list_troubled(mail)}
    if notices := find_reach(request.user, "accounts.view_notice"):
        unread = notices.limit(Notice.objects.filter(read_at=None))
        context["notices"] = unread.select_related("project").order_by("-id")[:SHOWN]
    return context


def list_troubled(reach: Reach) -> list[dict[str, Any]]:
    """The latest messages that were not delivered."""
    since = least_id_at(timezone.now() - LOOKED_BACK)
    messages = Message.objects.filter(pk__gte=since, status__in=[Status.FAILED, Status.BOUNCED])
    rows = with_rows(reach.limit(messages))
    return [
        {"message": row, "to": find_address(row), "colour": COLOURS[row.status]}
        for row in rows.select_related("project").order_by("-id")[:SHOWN]
    ]


def find_address(message: Message) -> str:
    """The first recipient with the message's status; if all its recipients are suppressed, the first recipient."""
    rows = message.shown_recipients
    return next((row.address for row in rows if row.status == message.status), rows[0].address)


def describe_queue(state: QueueState) -> dict[str, Any]:
    """The queue's numbers as text, with the numbers that need attention."""
    worker = state.worker_seen_seconds_ago
    lanes = [{"row": lane, "oldest": age_of(lane.oldest_due_at) if lane.oldest_due_at else "-"} for lane in state.lanes]
    return {
        "lanes": lanes,
        "scheduled": state.scheduled,
        "next": age_of(state.next_scheduled_at) if state.next_scheduled_at else "",
        "worker": f"{format_age(worker)} ago" if worker is not None else "never",
        "is_worker_missing": worker is None or worker > 30,
        "beat": age_of(state.beat_ran_at) if state.beat_ran_at else "not yet",
    }
