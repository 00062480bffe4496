"""Visits are labelled at once, and settled by an event of their own, from all visits around them."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.acting_for import Delegate
from accounts.models import Project
from accounts.services import create_project
from common.addresses import parse_address
from ledger.shares import MinuteCounts
from messages import services
from messages.accepting.draft import Draft
from messages.admin.page import list_moments
from messages.models import Message, Recipient
from messages.selectors import timeline
from tests.tracking.stories import tell
from tracking.engagement import recording, visits
from tracking.engagement.settling import purge_settled, settle_batch, settle_due
from tracking.engagement.visits import FollowedLink, Visitor, VisitSubject, record_visit
from tracking.models import Event, EventType, Visit

pytestmark = pytest.mark.django_db

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
OFFICE, ELSEWHERE = "198.51.100.7", "203.0.113.9"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _trusted(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


@pytest.fixture
def project() -> Project:
    return create_project(name="Acme")


def hand_over(project: Project, count: int = 1, event: str = EventType.DELIVERED) -> list[Recipient]:
    """One mail for each of `count` recipients, handed over now."""
    drafts = [
        Draft(from_=parse_address("a@mine.test"), to=[parse_address(f"r{n}@rcpt.test")], subject="Hi", text="Hello.")
        for n in range(count)
    ]
    messages: Sequence[Message] = services.accept(Delegate(project=project, is_test=False), drafts)
    rows = [message.recipients.get() for message in messages]
    for row in rows:
        tell(row.message, row.pk, EventType(event))
    return rows


def visit(row: Recipient, after: float, *, link: int | None = None, agent: str = CHROME, ip: str = OFFICE) -> Visit:
    """Visit the pixel, or a link, `after` seconds after the hand-over."""
    before = set(Visit.objects.values_list("id", flat=True))
    subject = VisitSubject(
        project_id=row.project_id, message_id=row.message_id, recipient_id=row.pk, address=row.address
    )
    target = None if link is None else FollowedLink(url=f"https://example.com/{link}", number=link)
    record_visit(subject, Visitor(method="GET", user_agent=agent, ip=ip), target)
    (made,) = Visit.objects.exclude(id__in=before)
    handed = Event.objects.filter(recipient_id=row.pk, type__in=["email.sent", "email.delivered"]).get()
    at = handed.occurred_at + timedelta(seconds=after)
    Visit.objects.filter(pk=made.pk).update(visited_at=at, is_early=after < 120)
    return made


def settle() -> dict[Any, tuple[str, str]]:
    """Make all visits due and settle them: actor and reason by the first event."""
    Visit.objects.filter(due_at__isnull=False).update(due_at="2000-01-01T00:00:00Z")
    settle_due(MINUTE)
    events = Event.objects.filter(type__in=["email.opened.settled", "email.clicked.settled"])
    return {event.data["event_id"]: (event.data["actor"], event.data["actor_reason"]) for event in events}


def actors() -> list[str]:
    return [actor for actor, _ in settle().values()]


@pytest.mark.parametrize("gap", [0.0, 0.4], ids=["in parallel", "one after another"])
def test_no_click_of_a_burst_is_a_persons(project, gap):
    (row,) = hand_over(project)
    for number in range(10):
        visit(row, 130 + number * gap, link=number)
    assert actors() == ["scanner"] * 10


def test_the_pixel_within_a_burst_is_the_filters_too(project):
    (row,) = hand_over(project)
    visit(row, 199)
    for number in range(5):
        visit(row, 200 + number, link=number)
    assert actors() == ["scanner"] * 6


def test_a_person_who_follows_two_links_is_a_person(project):
    (row,) = hand_over(project)
    for number in range(2):
        visit(row, 300 + number, link=number)
    assert actors() == ["human"] * 2


@pytest.mark.parametrize("after", [4, 12, 40])
@pytest.mark.parametrize("link", [None, 0], ids=["opens", "clicks"])
def test_one_network_visits_the_mail_of_twelve_recipients(project, after, link):
    for number, row in enumerate(hand_over(project, 12)):
        visit(row, after + number / 10, link=link, ip=f"198.51.100.{number}")
    found = settle()
    assert set(found.values()) == {("scanner", "one network, many recipients")}
    assert len(found) == 12


def test_colleagues_behind_one_address_are_people(project):
    for number, row in enumerate(hand_over(project, 12)):
        visit(row, 300 + 20 * number)
    assert actors() == ["human"] * 12


def test_another_projects_visits_say_nothing(project):
    rows = hand_over(project, 2)
    rows += hand_over(create_project(name="Other"), 2)
    for row in rows:
        visit(row, 90)
    assert actors() == ["human"] * 4


@pytest.mark.parametrize("event", [EventType.SENT, EventType.DELIVERED])
def test_seconds_after_the_hand_over_there_is_no_person(project, event):
    (row,) = hand_over(project, event=event)
    visit(row, 0.4)
    visit(row, 0.5, link=0)
    assert actors() == ["scanner"] * 2


def test_within_a_minute_a_browser_alone_does_not_make_a_person(project):
    (row,) = hand_over(project)
    visit(row, 20, link=0)
    assert actors() == ["unknown"]


def test_a_click_after_the_mail_was_shown_is_a_persons(project):
    (row,) = hand_over(project)
    opened = visit(row, 15, agent=GMAIL, ip="66.249.84.1")
    clicked = visit(row, 20, link=0, ip=ELSEWHERE)
    found = settle()
    assert found[str(opened.pk)][0] == "proxy"
    assert found[str(clicked.pk)] == ("human", "after the mail was shown")


def test_before_the_hand_over_there_is_no_person(project):
    (row,) = hand_over(project)
    visit(row, -1)
    visit(row, -1, agent=GMAIL, ip="66.249.84.1")
    assert list(settle().values()) == [("scanner", "before the hand-over")] * 2


def test_apples_prefetch_and_a_person_on_a_phone_are_told_apart(project):
    (row,) = hand_over(project)
    apple = visit(row, 30, agent="Mozilla/5.0", ip="17.58.1.1")
    phone = visit(row, 120, agent=PHONE, ip=ELSEWHERE)
    found = settle()
    assert (found[str(apple.pk)][0], found[str(phone.pk)][0]) == ("prefetch", "human")


def test_the_first_event_is_provisional_and_never_changes(project):
    (row,) = hand_over(project)
    made = visit(row, 300, link=3)
    first = Event.objects.get(type="email.clicked")
    assert (first.pk, first.data["provisional"], first.data["link"]) == (made.pk, True, "3")
    settle()
    again = Event.objects.get(type="email.clicked")
    assert (again.data, again.occurred_at) == (first.data, first.occurred_at)
    settled = Event.objects.get(type="email.clicked.settled")
    assert settled.data["event_id"] == str(first.pk)
    assert (settled.data["url"], settled.data["link"]) == ("https://example.com/3", "3")
    assert "provisional" not in settled.data


def test_a_visit_is_settled_once_and_not_before_its_time(project, settings):
    settings.TRACKING_SETTLE_TIME = timedelta(hours=1)
    (row,) = hand_over(project)
    visit(row, 300)
    assert settle_batch() == 0
    assert len(settle()) == 1
    assert (settle_batch(), len(settle())) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_settle_different_visits(project):
    for row in hand_over(project, 4):
        visit(row, 300)
    Visit.objects.update(due_at="2000-01-01T00:00:00Z")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert settle_batch(2) == 2
        other = connection.copy()
        with other.cursor() as free:
            free.execute(
                "SELECT count(*) FROM (SELECT 1 FROM tracking_visit WHERE due_at <= now()"
                " FOR UPDATE SKIP LOCKED) AS due"
            )
            assert free.fetchone() == (2,)
        other.close()
    assert settle_batch() == 2
    assert Event.objects.filter(type="email.opened.settled").count() == 4


def test_a_deleted_message_gets_no_event(project):
    (row,) = hand_over(project)
    visit(row, 300)
    row.message.delete()
    assert settle() == {}
    assert not Visit.objects.filter(due_at__isnull=False).exists()


def test_a_repeat_of_the_pixel_within_a_minute_makes_no_event(project):
    (row,) = hand_over(project)
    subject = VisitSubject(
        project_id=row.project_id, message_id=row.message_id, recipient_id=row.pk, address=row.address
    )
    one, other = (Visitor(method="GET", user_agent=agent, ip=OFFICE) for agent in (CHROME, PHONE))
    for visitor in (one, one, other):
        record_visit(subject, visitor)
    assert Event.objects.filter(type="email.opened").count() == 2
    Visit.objects.update(visited_at="2000-01-01T00:00:00Z")
    record_visit(subject, one)
    assert Event.objects.filter(type="email.opened").count() == 3


def test_loads_of_one_pixel_are_looked_at_so_often_in_a_minute_and_those_of_others_too(project, monkeypatch):
    monkeypatch.setattr(recording, "pixels", MinuteCounts(lambda: 0.0))
    monkeypatch.setattr(recording, "PIXELS_PER_MINUTE", 3)
    rows = hand_over(project, 2)
    for row in rows:
        subject = recording.TrackedRecipient(
            recipient_id=row.pk,
            project_id=row.project_id,
            message_id=row.message_id,
            address=row.address,
            is_simulated=False,
            url=None,
        )
        for number in range(5):
            recording.record_open(subject, Visitor(method="GET", user_agent=f"agent {number}", ip=OFFICE))
    opened = Event.objects.filter(type="email.opened").values_list("recipient_id", flat=True)
    assert Counter(opened) == {row.pk: 3 for row in rows}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_PER_MINUTE", 3)
    monkeypatch.setattr(visits, "MAX_VISITS", 5)


@pytest.mark.usefixtures("few")
def test_events_of_one_recipient_are_limited_by_the_minute_and_in_all(project):
    row, other = hand_over(project, 2)
    subject = VisitSubject(
        project_id=row.project_id, message_id=row.message_id, recipient_id=row.pk, address=row.address
    )

    def click_often() -> int:
        for number in range(10):
            record_visit(
                subject, Visitor(method="GET", user_agent=CHROME, ip=OFFICE), FollowedLink(url="x", number=number)
            )
        return Event.objects.filter(type="email.clicked", recipient_id=row.pk).count()

    assert click_often() == 3
    Visit.objects.update(visited_at="2000-01-01T00:00:00Z")
    assert click_often() == 5
    Visit.objects.update(visited_at="2000-01-01T00:00:00Z")
    assert click_often() == 5
    visit(other, 1, link=0)


def test_the_timeline_has_both_events_and_the_admin_shows_the_visit_once(project):
    (row,) = hand_over(project)
    visit(row, 20, link=0)
    visit(row, 21, link=1)
    visit(row, 22, link=2)
    assert [event.data["actor"] for event in timeline(row.message_id).filter(type="email.clicked")] == ["scanner"] * 3
    Event.objects.filter(type="email.clicked").update(data={"actor": "human", "provisional": True})
    settle()
    types = [event.type for event in timeline(row.message_id)]
    assert types[-6:] == ["email.clicked"] * 3 + ["email.clicked.settled"] * 3
    shown = [moment for moment in list_moments(row.message) if moment.title == "Clicked"]
    assert [dict(moment.details)["actor"] for moment in shown] == ["scanner"] * 3
    assert "provisional" not in dict(shown[0].details)


def test_settled_visits_are_deleted_after_a_time(project):
    (row,) = hand_over(project)
    visit(row, 300)
    settle()
    assert purge_settled() == 0
    Visit.objects.update(id="01800000-0000-7000-8000-000000000000")
    assert purge_settled() == 1
