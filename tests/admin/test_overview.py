"""The admin's first page: what needs attention, figures and charts, of one project and of all."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import SendingCap
from accounts.people.roles import Role
from accounts.services import create_project, write_notice
from domains.services import add_domain
from ledger.timer import TICK_KEY
from messages.models import Message, Pause, Recipient
from messages.states import Status, StatusReason
from providers.models import BounceMailbox, Provider
from tests.admin.people import log_in
from tests.admin.test_roles import person
from tests.provider_rows import settings_of
from tracking.models import HeldSuppression, Rollup, SuppressionWave
from tracking.stats.counting import NAMES
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db
URL = reverse("admin:index")
LINE = re.compile(r"<strong>(.*?)</strong>.*?<bdi>(.*?)</bdi>.*?<a href=\"(.*?)\">", re.DOTALL)


def find_lines(client, **query):
    """What needs attention: detail and link by title."""
    html = client.get(URL, query).content.decode()
    section = html[html.index('id="attention-title"') :].partition("</section>")[0]
    return {title: (unescape(detail), unescape(url)) for title, detail, url in LINE.findall(section)}


def make_provider(project, name, **values):
    made = settings_of("smtp://relay.test")
    return Provider.objects.create(project=project, name=name, kind="smtp", settings=made, **values)


def make_endpoint(project, **values):
    return Endpoint.objects.create(project=project, events=["*"], secret="whsec_x", **values)


def make_trouble(project, send):
    """One of each, and what is well beside it."""
    make_provider(project, "good")
    make_provider(project, "stopped", is_paused=True, pause_reason="moving")
    silent = make_provider(project, "silent")
    mailbox = {"protocol": "imaps", "host": "h.test", "port": 993, "username": "u", "password": "p", "folder": "INBOX"}
    BounceMailbox.objects.create(provider=silent, failure="no login", next_attempt_at=timezone.now(), **mailbox)
    make_endpoint(project, url="https://good.test/")
    make_endpoint(project, url="https://down.test/", failing_since=timezone.now())
    make_endpoint(project, url="https://gone.test/", status="disabled", disabled_reason="410 Gone")
    make_endpoint(project, url="https://off.test/", status="disabled", disabled_reason="Disabled by its owner.")
    domain = add_domain(project, name="lost.test")
    type(domain).objects.update(status="warning", verified_at=timezone.now())
    Pause.objects.create(project=project, kind="tag", value="promo", made_by="sue")
    Pause.objects.create(project=project, kind="stream", value="news", made_by="guard", is_by_guard=True, per_minute=9)
    wave = SuppressionWave.objects.create(words="550 rule 77", likeness="x")
    HeldSuppression.objects.create(wave=wave, project=project, address="jo@x.test")
    late, uncertain, capped = send(of=project), send(of=project), send(of=project)
    rows = Recipient.objects
    rows.filter(message=late).update(next_attempt_at=timezone.now() - timedelta(hours=1))
    lost = {"status": Status.DELIVERING, "status_reason": StatusReason.UNCERTAIN, "next_attempt_at": None}
    rows.filter(message=uncertain).update(**lost)
    SendingCap.objects.create(project=project, first_day_messages=1)
    rows.filter(message=capped).update(parked_by=f"cap:{project.pk}", status_reason=StatusReason.CAP)


TITLES = {
    "Normal mail is late": "the oldest is due for 1 h, 1 recipient due",
    "1 provider is paused": "stopped (moving)",
    "1 bounce mailbox cannot be read": "silent: no login",
    "1 recipient uncertain": "the reply was lost, and nobody knows whether the mail was taken",
    "1 pause in force": "0 recipients held: tag promo",
    "The guard holds mail back: 1 pause": "0 recipients held: stream news",
    "1 new project reached the day&#x27;s cap": "1 recipient held until tomorrow: Acme",
    "1 webhook endpoint is failing": "https://down.test/",
    "1 webhook endpoint is disabled after failures": "https://gone.test/",
    "1 domain is losing records": "lost.test",
    "1 wave of suppressions is held back": "“550 rule 77”",
}
OF_INSTALLATION = {"No worker is running", "Beat is not running"}


def test_what_needs_a_person_is_told_with_a_link_to_its_list(root, project, other_project, send):
    cache.delete(TICK_KEY)
    assert find_lines(root).keys() == OF_INSTALLATION
    make_trouble(project, send)
    lines = find_lines(root)
    assert {title: detail for title, (detail, _) in lines.items() if title not in OF_INSTALLATION} == TITLES
    assert lines.keys() >= OF_INSTALLATION
    assert find_lines(root, project=project.pk).keys() == lines.keys()
    assert find_lines(root, project=other_project.pk).keys() == OF_INSTALLATION
    for title, part, named in (
        ("1 provider is paused", "paused", "stopped"),
        ("1 bounce mailbox cannot be read", "mailbox", "silent"),
        ("1 webhook endpoint is failing", "failing", "down.test"),
        ("1 webhook endpoint is disabled after failures", "stopped", "gone.test"),
        ("1 domain is losing records", "warning", "lost.test"),
        ("The guard holds mail back: 1 pause", "is_by_guard", "stream"),
    ):
        _, url = lines[title]
        assert part in url
        rows = root.get(url).content.decode().partition('id="result_list"')[2]
        assert named in rows, url
        assert not re.findall(r">good<|off\.test", rows), url


def test_late_mail_leads_to_the_oldest_and_its_lane_to_all_that_is_open(root, project, send):
    younger, oldest, later, done = (send(of=project, subject=word) for word in ("Younger", "Oldest", "Later", "Done"))
    for message, hours in ((younger, 1), (oldest, 2), (later, -1)):
        at = timezone.now() - timedelta(hours=hours)
        Recipient.objects.filter(message=message).update(next_attempt_at=at, status=Status.DELIVERING)
        Message.objects.filter(pk=message.pk).update(status=Status.DELIVERING)
    Message.objects.filter(pk=done.pk).update(status=Status.DELIVERED)
    _, url = find_lines(root)["Normal mail is late"]
    assert url == reverse("admin:mail_message_change", args=[oldest.pk])
    [lane] = re.findall(r'href="([^"]*priority__exact=normal[^"]*)"', root.get(URL).content.decode())
    rows = root.get(lane.replace("&amp;", "&")).content.decode().partition('id="result_list"')[2]
    assert [word in rows for word in ("Younger", "Oldest", "Later", "Done")] == [True, True, True, False]


def test_each_line_needs_its_permission(sue, project, send):
    make_trouble(project, send)
    lines = find_lines(sue)
    assert "1 webhook endpoint is failing" in lines
    assert "1 pause in force" not in lines
    nobody = log_in(User.objects.create_user("eve", is_staff=True)).get(URL).content.decode()
    assert "failing" not in nobody
    assert "Queue" not in nobody
    assert 'name="q"' not in nobody


@pytest.mark.parametrize("given", ["01a22ede-681e-77e2-aa80-000000000000", "nonsense"])
def test_an_unknown_project_is_404(root, given):
    assert root.get(URL, {"project": given}).status_code == 404


def make_figures(project, hours_ago, **counts):
    at = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    values = dict.fromkeys(NAMES, 0) | counts
    for dimension, value in (("all", ""), ("stream", "receipts"), ("mailbox_provider", "bigmail.test")):
        Rollup.objects.create(
            project=project, dimension=dimension, value=value, starts_at=at, handoff={"50": 4, "90": 1}, **values
        )


def test_people_of_one_project_see_that_one_alone(project, other_project, send):
    pat = person(Role.OPERATOR, project)
    make_trouble(other_project, send)
    make_figures(other_project, 1, accepted=77, sent=77)
    send("theirs@x.test", of=other_project, subject="Theirs")
    assert find_lines(pat).keys() <= OF_INSTALLATION
    html = pat.get(URL, {"group": "stream"}).content.decode()
    for text in ("Other", "77", "receipts", "Theirs", "is late"):
        assert text not in html, text
    assert pat.get(URL, {"project": other_project.pk}).status_code == 404
    make_figures(project, 1, accepted=78, sent=78)
    html = pat.get(URL, {"project": project.pk}).content.decode()
    assert "<dd>78<small>" in html
    listed = pat.get(reverse("admin:accounts_project_changelist")).content.decode()
    assert f"?project={project.pk}" in listed


def test_figures_are_those_of_the_chosen_projects(root, project, other_project):
    make_figures(project, 1, accepted=1200, sent=1190, delivered=1100, bounced=7, opens_shown=90, opens_human=40)
    make_figures(other_project, 2, accepted=34, sent=34, delivered=33, failed=1)
    html = root.get(URL).content.decode()
    assert "<dd>1,234<small>" in html
    assert html.count('role="img"') == 5
    assert "accepted: 1,234 in all, at most 1,200; delivered: 1,133 in all, at most 1,100." in html
    assert "shown: 90 in all, at most 90; by people: 40 in all, at most 40." in html
    assert "half within: at most 112 ms; 95 % within: at most 5.1 s." in html
    assert "Accepted, by stream" in html
    one = root.get(URL, {"project": other_project.pk, "period": "week", "by": "day", "group": "mailbox_provider"})
    html = one.content.decode()
    assert "Mail of Other" in html
    assert "<dd>34<small>" in html
    assert "Sent, by mailbox provider" in html
    assert "bigmail.test" in html
    assert " style=" not in html[html.index('class="mail-page"') : html.index("</main>")]


def test_unknown_choices_are_replaced_by_the_usual_ones(root, project):
    answer = root.get(URL, {"period": "x", "by": "week", "group": "subject"})
    assert answer.status_code == 200
    assert 'value="day" selected' in answer.content.decode()


def test_many_projects_together_have_short_times(root, project, monkeypatch):
    monkeypatch.setattr("emailsvc.admin_site.overview.figures.MOST_STEPS", 50)
    create_project(name="Other")
    html = root.get(URL, {"period": "month"}).content.decode()
    assert "30 days" not in html
    assert "Longer times are there for each project." in html
    html = root.get(URL, {"period": "week", "by": "hour"}).content.decode()
    assert ('value="day" selected' in html, 'value="hour"' in html) == (True, False)
    assert "30 days" in root.get(URL, {"project": project.pk}).content.decode()


def test_without_mail_the_next_step_is_shown(root, project, send):
    html = root.get(URL).content.decode()
    assert "No mail yet" in html
    assert "/api/v1/emails \\" in html
    assert "None in this time." in html
    send()
    assert "No mail yet" not in root.get(URL).content.decode()


def test_it_shows_undelivered_mail_and_the_state_of_the_queue(sue, send):
    cache.delete(TICK_KEY)
    good, bad = send(subject="Arrives"), send("fine@x.test", "gone@x.test", subject="Comes back")
    with transaction.atomic():
        bad.recipients.filter(address="gone@x.test").move_to(Status.BOUNCED, StatusReason.REFUSED)
        bad.recipients.filter(address="fine@x.test").move_to(Status.DELIVERED)
    Message.objects.filter(pk=good.pk).update(status=Status.SCHEDULED, scheduled_at=timezone.now())
    html = sue.get(URL).content.decode()
    assert reverse("admin:mail_message_change", args=[bad.pk]) in html
    assert "gone@x.test" in html
    assert "fine@x.test" not in html
    assert reverse("admin:mail_message_change", args=[good.pk]) not in html
    assert "last seen never" in html
    assert 'status__exact=scheduled">1</a>' in html


def test_notices_are_for_those_who_may_see_them(sue, root, project):
    write_notice(project, kind="domain_failing", text="A record is gone.")
    assert "A record is gone." in root.get(URL).content.decode()
    assert "A record is gone." not in sue.get(URL).content.decode()
