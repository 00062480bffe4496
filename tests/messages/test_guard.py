"""The guard of tenants: rates, slowing, pauses, notices, reinstatement; and the caps of new projects."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Notice, SendingCap, StreamType
from accounts.services import create_project
from accounts.streams import create_stream
from domains.public_suffixes import name_mailbox_provider
from messages.explain.explain import explain
from messages.guard import counting
from messages.guard.acting import act
from messages.guard.counting import count_events
from messages.guard.guard import guard_tenants
from messages.guard.judging import Measure, read_scopes
from messages.models import GuardCount, GuardState, Message, Pause
from messages.pause_models import PauseKind
from messages.pausing import caps
from messages.pausing.services import end_pause, start_pause
from messages.pausing.settling import settle_pauses
from messages.pausing.values import PauseValue
from messages.selectors import find_detailed
from messages.states import Lane
from tests.accounts.test_account_commands import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def count(project):
    """Stores what a scope did some minutes ago: `count(sent=1000, bounced=80)`."""

    def store(sent, bounced=0, complained=0, *, kind="project", value=None, minutes=30, of=project, domains=()):
        GuardCount.objects.create(
            project=of,
            kind=kind,
            value=value or str(of.pk),
            starts_at=timezone.now() - timedelta(minutes=minutes),
            sent=sent,
            bounced=bounced,
            complained=complained,
            domains=list(domains),
        )

    return store


def judge():
    act(read_scopes(timezone.now()))


def active():
    return sorted(Pause.objects.filter(ended_at=None).values_list("kind", "only_opt_out", "per_minute"))


def state(message):
    row = message.recipients.get()
    return row.status, row.status_reason


def test_a_project_with_8_percent_bounces_is_slowed_then_paused_told_explained_and_reinstated(
    project, send, deliver, inbox, count, settings
):
    count(1_000, 60)
    judge()
    assert active() == [("project", False, 10)]
    bulk = [send(priority=Lane.BULK) for _ in range(4)]
    news, receipt = send(enable_unsubscribe=True, html="{{ unsubscribe_url }}"), send(subject="Your receipt")
    deliver(Lane.BULK)
    # Ten a minute: a bucket holds one and two thirds.
    assert [state(message) for message in bulk].count(("queued", "paused")) >= 2
    told = explain(find_detailed(project.messages.all(), next(m for m in bulk if state(m)[1] == "paused").pk)).summary
    assert "is slowed to 10 bulk mails a minute" in told.why
    assert "6 % of 1000 mails bounced" in told.why
    count(1_000, 100, minutes=10)
    judge()
    assert active() == [("project", False, 10), ("project", True, None)]
    critical = send(enable_unsubscribe=True, html="{{ unsubscribe_url }}", priority=Lane.CRITICAL)
    deliver()
    deliver(Lane.CRITICAL)
    assert state(news) == ("queued", "paused")
    assert {state(receipt)[0], state(critical)[0]} == {"delivered"}
    told = explain(find_detailed(project.messages.all(), news.pk)).summary
    assert "that offers an opt-out is paused" in told.why
    assert "8 % of 2000 mails bounced within 24 hours; the threshold is 5 %" in told.why
    notices = list(Notice.objects.order_by("id").values_list("project", "kind"))
    assert notices == [(project.pk, "guard"), (None, "guard")] * 2
    end_pause("sue", Pause.objects.get(only_opt_out=True))
    deliver()
    assert state(news)[0] == "delivered"
    # What came before the resume does not count any more, so the slowing ends too.
    judge()
    settle_pauses()
    assert active() == []
    assert {state(message)[1] for message in bulk} == {""}
    actors = AuditEntry.objects.order_by("id").values_list("actor", "action")
    assert list(actors) == [("guard", "pause"), ("guard", "pause"), ("sue", "resume"), ("guard", "resume")]


@pytest.mark.parametrize(
    ("sent", "bounced", "complained", "found"),
    [
        (200, 100, 0, []),
        (1_000, 2, 2, []),
        (1_000, 50, 3, []),
        (1_000, 51, 0, [False]),
        (1_000, 75, 0, [False]),
        (1_000, 76, 0, [False, True]),
        (1_000, 0, 4, [False]),
        (1_000, 0, 5, [False, True]),
    ],
)
def test_the_thresholds(count, sent, bounced, complained, found):
    count(sent, bounced, complained)
    judge()
    assert [only for _, only, _ in active()] == found


def test_a_project_has_thresholds_of_its_own(project, count):
    count(1_000, 80, 10)
    project.guard_bounce_percent = project.guard_complaint_percent = None
    project.save()
    judge()
    assert active() == []
    project.guard_bounce_percent = 7
    project.save()
    judge()
    assert len(active()) == 1


def test_only_the_part_that_is_over_is_slowed_and_paused(project, send, deliver, inbox, count):
    create_stream(project, name="news", type_=StreamType.TRANSACTIONAL)
    count(10_000, 100)
    count(1_000, 80, kind="stream", value="news")
    count(500, 50, kind="mailbox_provider", value="bigmail.test", domains=["a.test", "b.test"])
    judge()
    assert active() == [
        ("mailbox_provider", False, 5),
        ("mailbox_provider", True, None),
        ("stream", False, 10),
        ("stream", True, None),
    ]
    values = {"enable_unsubscribe": True, "html": "{{ unsubscribe_url }}"}
    to_big, in_news, other = send(to=["x@b.test"], **values), send(stream="news", **values), send(**values)
    deliver()
    assert (state(to_big)[1], state(in_news)[1], state(other)[0]) == ("paused", "paused", "delivered")


def test_what_holds_for_the_project_is_not_repeated_for_its_parts(count):
    count(1_000, 80)
    count(1_000, 80, kind="stream", value="default")
    judge()
    assert active() == [("project", False, 10), ("project", True, None)]
    judge()
    assert len(active()) == 2


def test_mail_of_a_day_ago_does_not_count(count):
    count(1_000, 80, minutes=24 * 60 + 5)
    judge()
    assert active() == []


def test_another_projects_bounces_touch_nobody_else(count, other_project, send, deliver, inbox):
    count(1_000, 100, of=other_project)
    judge()
    message = send(enable_unsubscribe=True, html="{{ unsubscribe_url }}")
    deliver()
    assert state(message)[0] == "delivered"


def test_events_of_live_mail_are_counted_once_by_scope(project, send, deliver, inbox, monkeypatch):
    GuardState.objects.create(counted_until=timezone.now() - timedelta(minutes=1))
    monkeypatch.setattr(counting, "LAG", timedelta(minutes=-1))
    inbox.script.replies["RCPT"] = "550 5.1.1 No such user"
    send(to=["gone@one.test"])
    deliver()
    inbox.script.replies["RCPT"] = "550 5.7.1 Your IP is listed"
    send(to=["listed@two.test"])
    deliver()
    inbox.script.replies.clear()
    send(to=["good@two.test"])
    deliver()
    while count_events():
        pass
    while count_events():
        pass
    found = {(row.kind, row.value): [row.sent, row.bounced] for row in GuardCount.objects.all()}
    assert found == {
        ("project", str(project.pk)): [3, 1],
        ("stream", "default"): [3, 1],
        ("sender_domain", "mine.test"): [3, 1],
        ("mailbox_provider", "one.test"): [1, 1],
        ("mailbox_provider", "two.test"): [2, 0],
    }


def test_it_looks_once_a_minute_in_whichever_process(count):
    count(1_000, 80)
    guard_tenants()
    assert len(active()) == 2
    Pause.objects.all().delete()
    guard_tenants()
    assert active() == []


@pytest.mark.parametrize(
    ("host", "domain", "name"),
    [
        ("alt1.aspmx.l.google.com[142.250.1.1]:25", "acme.test", "google.com"),
        ("mx.example.co.uk", "acme.test", "example.co.uk"),
        ("", "acme.test", "acme.test"),
    ],
)
def test_a_mailbox_provider_is_the_domain_of_the_mail_exchanger(host, domain, name):
    assert name_mailbox_provider(host, domain) == name


def test_a_rate_of_nothing_is_no_rate():
    assert Measure("bounced", 0, 0, 5.0).excess == 0


def test_a_new_project_sends_as_much_as_its_cap_and_twice_as_much_on_the_next_day(
    project, send, deliver, inbox, settings
):
    SendingCap.objects.create(project=project, first_day_messages=2)
    messages = [send(to=[f"{number}@x.test", f"{number}@y.test"]) for number in range(8)]
    deliver()
    assert sum(message.recipients.filter(status="delivered").count() for message in messages) == 4
    waiting = [message for message in messages if message.recipients.filter(status_reason="cap").count() == 2]
    assert len(waiting) == 6
    told = explain(find_detailed(project.messages.all(), waiting[0].pk)).summary
    assert "it may send 2 messages, and it has sent 2" in told.why
    assert told.next_at is not None
    pause = start_pause("sue", project, PauseKind.PROJECT, value=PauseValue(str(project.pk), project.name))
    assert "is paused" in explain(find_detailed(project.messages.all(), waiting[0].pk)).summary.why
    end_pause("sue", pause)
    settle_pauses()
    deliver()
    assert Message.objects.filter(status="delivered").count() == 2
    SendingCap.objects.update(started_at=timezone.now() - timedelta(hours=25))
    for _ in range(5):
        settle_pauses()
        deliver()
    assert Message.objects.filter(status="delivered").count() == 6
    SendingCap.objects.all().delete()
    settle_pauses()
    deliver()
    assert Message.objects.filter(status="delivered").count() == 8


def test_a_cap_ends_after_its_last_day(project):
    SendingCap.objects.create(
        project=project, first_day_messages=1, started_at=timezone.now() - timedelta(days=caps.LAST_DAY)
    )
    caps.release_caps([])
    assert caps.find_cap(project.pk) is None


def test_only_new_projects_of_an_installation_that_says_so_have_a_cap(settings):
    create_project(name="A")
    settings.NEW_PROJECT_MESSAGES_PER_DAY = 50
    capped = create_project(name="B")
    create_project(name="C", is_capped=False)
    assert list(SendingCap.objects.values_list("project", "first_day_messages")) == [(capped.pk, 50)]


def test_an_operator_sets_thresholds_and_ends_a_cap(project, monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    SendingCap.objects.create(project=project, first_day_messages=2)
    status, [item], _ = run("set_project", "--guard-bounces", "8.5", "--guard-complaints", "off", "--no-cap", "--json")
    assert (status, item["guard_bounce_percent"], item["guard_complaint_percent"]) == (0, 8.5, None)
    assert not SendingCap.objects.exists()
    assert run("set_project", "--guard-bounces", "101")[0] == 2
