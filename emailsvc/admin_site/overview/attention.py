"""What needs a person: each line says what is wrong, and links to the list where it can be mended.

A check reads few rows along an index and begins at the projects of the page. Without anything wrong it gives no line.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeVar

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Project
from common.times import format_age
from domains.domain_status import DomainStatus
from domains.models import Domain
from emailsvc.admin_site.overview.scope import OverviewScope
from ledger.timer import read_worker_age
from messages.admin.backlog import (
    MOST,
    LaneBacklog,
    count_parked,
    count_unapproved,
    count_uncertain,
    find_oldest_due,
    read_lanes,
    share_limit,
)
from messages.models import Pause
from messages.pausing import names
from messages.search.words import OPEN_WORD
from messages.states import Lane
from messages.tasks import tick
from providers.models import BounceMailbox, Provider
from providers.routing.health import TROUBLES
from tracking.suppressions.wave_models import SuppressionWave
from webhooks.endpoint_health import FAILURES
from webhooks.models import Endpoint

# A worker ticks each second, and beat each five seconds.
AWAY_SECONDS = 30.0
BEAT_AWAY = timedelta(minutes=5)
# Mail that is due for longer is late: workers are missing, or have more than they can send.
LATE = {Lane.CRITICAL: timedelta(seconds=30), Lane.NORMAL: timedelta(minutes=2), Lane.BULK: timedelta(minutes=30)}
# Rows that a line names; it counts one more to say that there are others.
NAMED = 3
COUNTED = 100
QUEUE_HELP = "/docs/operations#queue-status"
ListedRow = TypeVar("ListedRow", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionLine:
    """One thing that needs a person. `action` names what can be done at `url`."""

    level: Literal["danger", "warning", "info"]
    title: str
    detail: str = ""
    url: str
    action: str


Lines = Iterator[AttentionLine]


class AttentionCheck(NamedTuple):
    """A check, and the permission without which its lines are not shown."""

    permission: str
    find: Callable[[OverviewScope], Lines]


def list_attention(scope: OverviewScope) -> Sequence[AttentionLine]:
    """All lines that this user may see, in the order of the checks."""
    return [line for check in CHECKS if scope.may(check.permission) for line in check.find(scope)]


MAIL, PAUSES, PROVIDERS = "mail.view_message", "mail.view_pause", "providers.view_provider"
ENDPOINTS, DOMAINS, WAVES = "webhooks.view_endpoint", "domains.view_domain", "tracking.view_suppressionwave"


def find_away(_scope: OverviewScope) -> Lines:
    """Workers and beat that have not been seen."""
    age = read_worker_age()
    if age is None or age > AWAY_SECONDS:
        seen = "last seen never" if age is None else f"last seen {format_age(age)} ago"
        yield AttentionLine(
            level="danger",
            title="No worker is running",
            detail=f"{seen}; mail waits",
            url=QUEUE_HELP,
            action="Start one",
        )
    ran_at = PeriodicTask.objects.filter(task=tick.name).values_list("last_run_at", flat=True).first()
    if ran_at is None or timezone.now() - ran_at > BEAT_AWAY:
        yield AttentionLine(
            level="warning",
            title="Beat is not running",
            detail=f"{describe_since(ran_at)}; mail goes out, housekeeping waits",
            url=QUEUE_HELP,
            action="Start it",
        )


def describe_since(at: datetime | None) -> str:
    return f"last ran {format_age((timezone.now() - at).total_seconds())} ago" if at else "it has not run yet"


def find_lanes(scope: OverviewScope) -> Sequence[LaneBacklog]:
    """The backlog of every lane, of the page's projects."""
    return scope.remember("lanes", lambda: read_lanes(scope.find_ids(MAIL)))


def find_late(scope: OverviewScope) -> Lines:
    """Lanes whose oldest mail is due for too long."""
    for lane in find_lanes(scope):
        if lane.oldest_due_at and (age := timezone.now() - lane.oldest_due_at) > LATE[lane.lane]:
            yield describe_late(scope, lane, age)


def describe_late(scope: OverviewScope, lane: LaneBacklog, age: timedelta) -> AttentionLine:
    ids = scope.find_ids(MAIL)
    count = count_words(lane.due, "recipient", share_limit(ids))
    oldest = find_oldest_due(lane.lane, ids)
    return AttentionLine(
        level="danger",
        title=f"{lane.lane.capitalize()} mail is late",
        detail=f"the oldest is due for {format_age(age.total_seconds())}, {count} due",
        url=reverse("admin:mail_message_change", args=[oldest]) if oldest else link_open(scope, lane.lane),
        action="See why it waits",
    )


def link_open(scope: OverviewScope, lane: Lane) -> str:
    """The list of a lane's mail that has not ended."""
    return scope.link("mail_message", q=f"status:{OPEN_WORD}", priority__exact=lane)


def find_troubled_providers(scope: OverviewScope) -> Lines:
    for status, condition in TROUBLES.items():
        rows = Provider.objects.filter(scope.select(PROVIDERS), condition(), is_enabled=True)
        yield from describe_rows(
            rows.order_by("name"),
            RowWords("provider", f"is {status}", f"are {status}", "Test or resume"),
            scope.link("providers_provider", state=status),
            lambda row: f"{row.name}{f' ({row.pause_reason[:100]})' if row.pause_reason else ''}",
        )


def find_unread_mailboxes(scope: OverviewScope) -> Lines:
    of_page = Provider.objects.filter(scope.select(PROVIDERS), is_enabled=True)
    rows = BounceMailbox.objects.filter(provider__in=of_page).exclude(failure="").select_related("provider")
    yield from describe_rows(
        rows.order_by("provider__name"),
        RowWords("bounce mailbox", "cannot be read", "cannot be read", "See the provider"),
        scope.link("providers_provider", state="mailbox"),
        lambda row: f"{row.provider.name}: {row.failure[:100]}",
    )


def find_pauses(scope: OverviewScope) -> Lines:
    """Pauses by people, and what the guard did, with the mail that each holds."""
    rows = Pause.objects.filter(scope.select(PAUSES), ended_at=None).order_by("-id")
    for is_by_guard, title, action in (
        (False, "{count} in force", "Resume or drop the mail"),
        (True, "The guard holds mail back: {count}", "See the rates, resume"),
    ):
        found = list(rows.filter(is_by_guard=is_by_guard)[:COUNTED])
        if found:
            held = sum(count_parked([names.of_pause(row.pk) for row in found]).values())
            shown = ", ".join(f"{row}" for row in found[:NAMED])
            yield AttentionLine(
                level="warning",
                title=title.format(count=count_words(len(found), "pause", COUNTED)),
                detail=f"{count_words(held, 'recipient', MOST)} held: {shown}{', …' if len(found) > NAMED else ''}",
                url=scope.link("mail_pause", is_by_guard__exact=int(is_by_guard)),
                action=action,
            )


def find_capped(scope: OverviewScope) -> Lines:
    """New projects that have sent as much as they may today."""
    capped = Project.objects.filter(pk__in=scope.find_ids(MAIL), sending_cap__isnull=False).order_by("name")
    by_name = {names.of_cap(project.pk): project for project in capped[:COUNTED]}
    held = {name: count for name, count in count_parked(by_name.keys()).items() if count} if by_name else {}
    if held:
        yield AttentionLine(
            level="info",
            title=f"{count_words(len(held), 'new project', COUNTED)} reached the day's cap",
            detail=f"{count_words(sum(held.values()), 'recipient', MOST)} held until tomorrow: "
            + ", ".join(by_name[name].name for name in list(held)[:NAMED]),
            url=scope.link("mail_message", q="reason:cap"),
            action="See the mail",
        )


def find_held(scope: OverviewScope) -> Lines:
    """Mail that waits for a person: uncertain, or not approved yet."""
    ids = scope.find_ids(MAIL)
    if count := count_uncertain(ids):
        yield AttentionLine(
            level="warning",
            title=f"{count_words(count, 'recipient', share_limit(ids))} uncertain",
            detail="the reply was lost, and nobody knows whether the mail was taken",
            url=scope.link("mail_message", q="reason:uncertain"),
            action="Settle them",
        )
    if count := count_unapproved(ids):
        yield AttentionLine(
            level="info",
            title=f"{count_words(count, 'recipient', share_limit(ids))} without approval",
            detail="mail of keys whose mail a person must approve",
            url=scope.link("mail_message", q="reason:approval"),
            action="Approve or decline",
        )


ENDPOINT_WORDS = {"failing": "failing", "stopped": "disabled after failures"}


def find_failing_endpoints(scope: OverviewScope) -> Lines:
    rows = Endpoint.objects.filter(scope.select(ENDPOINTS)).defer("secret").order_by("url")
    for state, condition in FAILURES.items():
        words = ENDPOINT_WORDS[state]
        yield from describe_rows(
            rows.filter(condition),
            RowWords("webhook endpoint", f"is {words}", f"are {words}", "Test, enable, replay"),
            scope.link("webhooks_endpoint", state=state),
            lambda row: row.url[:80],
        )


def find_losing_domains(scope: OverviewScope) -> Lines:
    for status, words in ((DomainStatus.SUSPENDED, "suspended"), (DomainStatus.WARNING, "losing records")):
        yield from describe_rows(
            Domain.objects.filter(scope.select(DOMAINS), status=status).order_by("name"),
            RowWords("domain", f"is {words}", f"are {words}", "See the missing records"),
            scope.link("domains_domain", status__exact=status),
            lambda row: row.name,
        )


def find_waves(scope: OverviewScope) -> Lines:
    """Suppressions that are held back. They belong to several projects, so there is no filter by one."""
    ids = scope.find_ids(WAVES)
    entries = SuppressionWave.objects.filter(closed_at=None, entries__project_id__in=ids)
    yield from describe_rows(
        entries.distinct().order_by("-opened_at"),
        RowWords(
            "wave of suppressions", "is held back", "are held back", "Apply or drop them", "waves of suppressions"
        ),
        scope.link("tracking_suppressionwave", is_by_project=False),
        lambda row: f"“{row}”",
    )


class RowWords(NamedTuple):
    """The words of a line about rows."""

    noun: str
    one: str
    many: str
    action: str
    nouns: str = ""


def describe_rows(rows: QuerySet[ListedRow], words: RowWords, url: str, name: Callable[[ListedRow], str]) -> Lines:
    """A line about these rows, of which a few are named; none without any."""
    found = list(rows[:COUNTED])
    if found:
        shown = ", ".join(name(row) for row in found[:NAMED])
        noun = words.nouns if words.nouns and len(found) > 1 else words.noun
        count = f"{len(found)} {noun}" if words.nouns else count_words(len(found), noun, COUNTED)
        yield AttentionLine(
            level="danger",
            title=f"{count} {words.one if len(found) == 1 else words.many}",
            detail=f"{shown}{', …' if len(found) > NAMED else ''}",
            url=url,
            action=words.action,
        )


def count_words(count: int, noun: str, limit: int) -> str:
    """`1 pause`, `1,204 pauses`, `10,000 pauses or more`."""
    ending = "" if count == 1 else "es" if noun.endswith("x") else "s"
    return f"{count:,} {noun}{ending}{' or more' if count >= limit else ''}"


CHECKS = (
    AttentionCheck(MAIL, find_away),
    AttentionCheck(MAIL, find_late),
    AttentionCheck(PROVIDERS, find_troubled_providers),
    AttentionCheck(PROVIDERS, find_unread_mailboxes),
    AttentionCheck(MAIL, find_held),
    AttentionCheck(PAUSES, find_pauses),
    AttentionCheck(MAIL, find_capped),
    AttentionCheck(ENDPOINTS, find_failing_endpoints),
    AttentionCheck(DOMAINS, find_losing_domains),
    AttentionCheck(WAVES, find_waves),
)
