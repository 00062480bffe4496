"""The admin's statistics page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from accounts.services import create_project
from tests.admin.people import log_in
from tests.feed_settling import settle
from tracking.stats.aggregation import aggregate_all

URL = "/admin/tracking/rollup/"


@pytest.mark.django_db(transaction=True)
def test_staff_see_the_outcomes_of_mail(root, send, deliver, server):
    server.script.replies["RCPT"] = ["550 5.1.1 Unknown", None]
    send("a@x.test", "b@x.test", tags=["<welcome>"])
    deliver()
    settle()
    aggregate_all(timedelta(minutes=1))
    assert reverse("admin:tracking_rollup_changelist") == URL
    html = root.get(URL, {"group": "tag", "period": "day"}).content.decode()
    assert "2 recipients" in html
    assert "50 %, 0 after they were sent" in html
    assert "&lt;welcome&gt;" in html
    assert html.count("<meter") == 24
    assert " style=" not in html[html.index('class="mail-page"') : html.index("Last counted")]
    assert "default" in root.get(URL, {"group": "provider"}).content.decode()
    assert root.get(URL, {"group": "template"}).status_code == 200
    assert root.get(URL, {"group": "nonsense", "period": "x", "project": "y"}).status_code == 200


def test_support_sees_it_and_strangers_do_not(sue, project, db):
    assert sue.get(URL).status_code == 200
    assert log_in(User.objects.create_user("other", is_staff=True)).get(URL).status_code == 403
    assert sue.get(f"{URL}add/").status_code == 403
    assert URL in sue.get("/admin/").content.decode()


def test_it_can_be_looked_at_before_anything_is_there(root, db):
    assert "There is no project yet." in root.get(URL).content.decode()
    create_project(name="Acme")
    assert "No event was counted yet." in root.get(URL).content.decode()
