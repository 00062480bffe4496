"""The admin's first page: what needs attention, how the mail does, the state of the queue; of one project or all."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Notice
from accounts.people.reach import visible_projects
from common.times import age_of, format_age
from emailsvc.admin_site.overview.attention import MAIL, find_lanes, link_open, list_attention
from emailsvc.admin_site.overview.figures import (
    GROUPS,
    PERIODS,
    PERMISSION,
    describe_figures,
    list_periods,
    list_steps,
    read_choice,
)
from emailsvc.admin_site.overview.scope import OverviewScope, read_scope
from ledger.timer import read_worker_age
from messages.admin.backlog import count_scheduled, has_mail, list_latest, share_limit
from messages.admin.page import COLOURS
from messages.models import Message
from messages.selectors import with_rows
from messages.states import Status
from messages.tasks import tick

LOOKED_BACK = timedelta(days=7)
SHOWN = 10
NOTICES = "accounts.view_notice"


def fill_overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The page's content, limited to what this user may view. Http404 for a project that is not theirs."""
    scope = read_scope(request)
    choice = read_choice(scope, request.GET)
    context |= {
        "scope": scope,
        "choice": choice,
        "projects": visible_projects(request.user),
        "periods": [(name, PERIODS[name].title) for name in list_periods(scope)],
        "steps": list_steps(scope, choice.period),
        "groups": GROUPS.items(),
        "attention": list_attention(scope),
        "public_url": settings.PUBLIC_URL,
        "key_url": reverse("admin:accounts_apikey_add") if scope.may("accounts.add_apikey") else "",
    }
    if scope.may(MAIL):
        context |= {
            "queue": describe_queue(scope),
            "troubled": list_troubled(scope),
            "has_mail": has_mail(scope.find_ids(MAIL)),
        }
    if scope.may(PERMISSION):
        context["figures"] = describe_figures(scope, choice)
    if scope.may(NOTICES):
        unread = Notice.objects.filter(scope.select(NOTICES), read_at=None)
        context["notices"] = unread.select_related("project").order_by("-id")[:SHOWN]
    return context


def list_troubled(scope: OverviewScope) -> Sequence[dict[str, Any]]:
    """The latest messages that were not delivered."""
    since = timezone.now() - LOOKED_BACK
    ids = list_latest(scope.find_ids(MAIL), [Status.FAILED, Status.BOUNCED], since=since, limit=SHOWN)
    rows = with_rows(Message.objects.filter(pk__in=ids)).select_related("project").order_by("-id")
    return [{"message": row, "to": find_address(row), "colour": COLOURS[row.status]} for row in rows]


def find_address(message: Message) -> str:
    """The first recipient with the message's status; if all its recipients are suppressed, the first recipient."""
    rows = message.shown_recipients
    return next((row.address for row in rows if row.status == message.status), rows[0].address)


def describe_queue(scope: OverviewScope) -> dict[str, Any]:
    """The queue's numbers as text, with the numbers that need attention."""
    ids = scope.find_ids(MAIL)
    limit = share_limit(ids)
    worker = read_worker_age()
    beat = PeriodicTask.objects.filter(task=tick.name).values_list("last_run_at", flat=True).first()
    return {
        "lanes": [
            {
                "row": lane,
                "due": write_limited(lane.due, limit),
                "later": write_limited(lane.later, limit),
                "oldest": age_of(lane.oldest_due_at) if lane.oldest_due_at else "",
                "url": link_open(scope, lane.lane),
            }
            for lane in find_lanes(scope)
        ],
        "scheduled": write_limited(count_scheduled(ids), limit),
        "scheduled_url": scope.link("mail_message", status__exact="scheduled"),
        "worker": f"{format_age(worker)} ago" if worker is not None else "never",
        "is_worker_missing": worker is None or worker > 30,
        "beat": age_of(beat) if beat else "not yet",
    }


def write_limited(count: int, limit: int) -> str:
    """`1,204`; `10,000+` for a count that ended at its limit."""
    return f"{count:,}{'+' if count >= limit else ''}"
