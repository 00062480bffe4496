"""The admin's first page."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse

from accounts.services import write_notice
from ledger.timer import TICK_KEY
from messages.states import Status, StatusReason
from tests.admin.people import log_in

pytestmark = pytest.mark.django_db
URL = reverse("admin:index")


def test_it_shows_undelivered_mail_and_the_state_of_the_queue(sue, send):
    cache.delete(TICK_KEY)
    good, bad = send(subject="Arrives"), send("fine@x.test", "gone@x.test", subject="Comes back")
    with transaction.atomic():
        bad.recipients.filter(address="gone@x.test").move_to(Status.BOUNCED, StatusReason.REFUSED)
        bad.recipients.filter(address="fine@x.test").move_to(Status.DELIVERED)
    html = sue.get(URL).content.decode()
    assert reverse("admin:mail_message_change", args=[bad.pk]) in html
    assert "gone@x.test" in html
    assert "fine@x.test" not in html
    assert reverse("admin:mail_message_change", args=[good.pk]) not in html
    assert "last seen never" in html
    assert 'name="q"' in html


def test_notices_are_for_those_who_may_see_them(sue, root, project):
    write_notice(project, kind="domain_failing", text="A record is gone.")
    assert "A record is gone." in root.get(URL).content.decode()
    assert "A record is gone." not in sue.get(URL).content.decode()


def test_users_without_permissions_see_nothing(send):
    send(subject="Secret")
    html = log_in(User.objects.create_user("eve", is_staff=True)).get(URL).content.decode()
    assert "Queue" not in html
    assert 'name="q"' not in html
