"""Sessions of the admin are listed and ended, and end by themselves when nobody uses them."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Session
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Gecko/20100101 Firefox/130.0"
PAGE = "/admin/account/"


@pytest.fixture
def ann(project) -> User:
    user = create_user(name="ann", password=PASSWORD)
    give_role("test", user, project, Role.OWNER)
    return user


def sign_in(name: str = "ann", **extra: str) -> Client:
    browser = Client()
    form = {"username": name, "password": PASSWORD}
    assert browser.post(reverse("admin:login"), form, HTTP_USER_AGENT=FIREFOX, **extra).status_code == 302
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get("/admin/mail/message/").status_code == 200


def test_a_session_tells_whose_it_is_and_from_where(ann):
    sign_in(REMOTE_ADDR="192.0.2.7")
    row = Session.objects.get()
    assert (row.user, row.address, row.browser) == (ann, "192.0.2.7", FIREFOX)


def test_ones_own_sessions_are_listed_and_ended_without_their_keys(ann):
    here, there, elsewhere = sign_in(), sign_in(REMOTE_ADDR="192.0.2.8"), sign_in()
    html = here.get(PAGE).content.decode()
    assert html.count("Firefox, Windows") == 3
    assert "192.0.2.8" in html
    assert not [key for key in Session.objects.values_list("pk", flat=True) if key in html]
    ref = html.split('name="session" value="')[1].split('"')[0]
    assert here.post(f"{PAGE}sessions/", {"session": ref}).status_code == 302
    assert sorted([is_signed_in(there), is_signed_in(elsewhere)]) == [False, True]
    assert here.post(f"{PAGE}sessions/", {"session": ref}).status_code == 404
    here.post(f"{PAGE}sessions/")
    assert [is_signed_in(each) for each in (here, there, elsewhere)] == [True, False, False]
    assert set(AuditEntry.objects.filter(object="ann").values_list("action", flat=True)) == {
        "give_role",
        "end_sessions",
    }


def test_an_owner_ends_the_sessions_of_members_but_not_of_strangers(ann, project, other_project):
    for name, place in (("bob", project), ("eve", other_project)):
        give_role("test", create_user(name=name, password=PASSWORD), place, Role.SUPPORT)
    bob, eve, owner = sign_in("bob"), sign_in("eve"), sign_in()
    rows = [str(row.pk) for row in User.objects.get(username="bob").memberships.all()]
    rows += [str(row.pk) for row in User.objects.get(username="eve").memberships.all()]
    chosen = {"action": "end_sessions_of_these", "_selected_action": rows}
    owner.post("/admin/accounts/membership/", chosen)
    assert [is_signed_in(each) for each in (bob, eve, owner)] == [False, True, True]


def test_a_session_that_nobody_uses_ends(ann, settings):
    settings.SESSION_IDLE_TIME = timedelta(hours=1)
    browser = sign_in()
    Session.objects.update(seen_at=timezone.now() - timedelta(minutes=50))
    assert is_signed_in(browser)
    assert Session.objects.get().seen_at > timezone.now() - timedelta(minutes=1)
    Session.objects.update(seen_at=timezone.now() - timedelta(minutes=61))
    assert not is_signed_in(browser)
    assert not Session.objects.filter(user=ann).exists()


def test_without_a_setting_a_session_lives_twelve_hours(ann, settings):
    settings.SESSION_IDLE_TIME = timedelta(0)
    browser = sign_in()
    Session.objects.update(seen_at=timezone.now() - timedelta(hours=11))
    assert is_signed_in(browser)
    Session.objects.update(expire_date=timezone.now())
    assert not is_signed_in(browser)


def test_a_new_password_ends_the_other_sessions(ann):
    browser = sign_in()
    ann.set_password("another long phrase")
    ann.save()
    assert not is_signed_in(browser)


def test_the_list_of_users_tells_their_roles_by_as_many_queries_for_more(root, ann, project, django_assert_num_queries):
    give_role("test", create_user(name="olga"), None, Role.OPERATOR)
    page = root.get("/admin/auth/user/").content.decode()
    assert f"owner in {project}" in page
    assert ">operator<" in page
    assert ">superuser<" in page
    with CaptureQueriesContext(connection) as few:
        root.get("/admin/auth/user/")
    for number in range(5):
        give_role("test", create_user(name=f"user{number}"), project, Role.SUPPORT)
    with django_assert_num_queries(len(few)):
        root.get("/admin/auth/user/")
