"""The second factor of a sign-in: an app's codes, recovery codes, and roles that need one."""

import re
import time

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Authenticator, RecoveryCode
from accounts.people.factors import confirm_authenticator, remove_factor, start_authenticator
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role
from accounts.people.totp import code_at
from emailsvc.sign_in_settings import ROLES
from tests.admin.people import log_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
SETUP = "/admin/account/authenticator/"
SECOND = "/admin/login/second/"
CHANGE = "/admin/account/factor/"
LIST = "/admin/mail/message/"


@pytest.fixture
def ann(project) -> User:
    user = create_user(name="ann", password=PASSWORD)
    give_role("test", user, project, Role.OPERATOR)
    return user


def code_of(user: User, later: int = 0) -> str:
    """The app's code, or the one that follows: the same code is never taken twice."""
    return code_at(str(Authenticator.objects.get(user=user).key), int(time.time()) // 30 + later)


def set_up(user: User) -> list[str]:
    start_authenticator(user)
    codes = confirm_authenticator(user, code_of(user))
    assert codes
    return codes


def enter_password(browser: Client, next_url: str = LIST):
    form = {"username": "ann", "password": PASSWORD}
    return browser.post(f"{reverse('admin:login')}?next={next_url}", form)


def test_an_app_is_set_up_and_asked_for_from_then_on(ann):
    browser, elsewhere = log_in(ann), log_in(ann)
    page = browser.get(SETUP).content.decode()
    shown = re.search(r"<code><bdi>([A-Z2-7 ]+)</bdi>", page)[1].replace(" ", "")
    assert shown == str(Authenticator.objects.get().key)
    assert "This code is wrong" in browser.post(SETUP, {"code": "000000"}).content.decode()
    codes = re.findall(r"<code>([a-z2-7]{16})</code>", browser.post(SETUP, {"code": code_of(ann)}).content.decode())
    assert len(set(codes)) == 10
    assert (browser.get(LIST).status_code, elsewhere.get(LIST).status_code) == (200, 302)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM accounts_authenticator UNION ALL SELECT code_hash FROM accounts_recoverycode")
        stored = str(cursor.fetchall())
    assert not [text for text in (shown, *codes) if text in stored]


def test_the_password_alone_opens_nothing_and_a_code_opens_once(ann):
    set_up(ann)
    Authenticator.objects.update(last_step=0)
    browser, code = Client(), code_of(ann)
    assert enter_password(browser)["Location"] == SECOND
    assert browser.get(LIST).status_code == 302
    assert browser.post(SECOND, {"code": "12345x"}).status_code == 200
    assert browser.post(SECOND, {"code": f" {code[:3]} {code[3:]} "})["Location"] == LIST
    assert browser.get(LIST).status_code == 200
    again = Client()
    enter_password(again)
    assert again.post(SECOND, {"code": code}).status_code == 200
    assert again.get(LIST).status_code == 302


def test_a_recovery_code_signs_in_once(ann):
    first = set_up(ann)[0]
    for status in (302, 200):
        browser = Client()
        enter_password(browser)
        assert browser.post(SECOND, {"code": first.upper()}).status_code == status
    assert RecoveryCode.objects.filter(used_at=None).count() == 9
    assert AuditEntry.objects.filter(action="use_recovery_code").count() == 1


def test_wrong_codes_count_as_wrong_passwords(ann):
    set_up(ann)
    browser = Client()
    enter_password(browser)
    assert [browser.post(SECOND, {"code": "nonsense"}).status_code for _ in range(10)] == [200] * 9 + [429]
    assert AccessAttempt.objects.get().username == "ann"
    assert browser.post(SECOND, {"code": code_of(ann, later=1)}).status_code == 429


def test_nobody_comes_to_the_second_step_without_the_password(ann):
    assert Client().get(SECOND)["Location"] == "/admin/login/"
    browser = Client()
    set_up(ann)
    enter_password(browser)
    User.objects.update(is_active=False)
    assert browser.post(SECOND, {"code": code_of(ann, later=1)})["Location"] == "/admin/login/"


def test_a_role_that_needs_a_second_factor_sees_nothing_before_it(ann, project, settings):
    settings.SECOND_FACTOR_ROLES = ["operator", "owner"]
    sue = create_user(name="sue", password=None)
    give_role("test", sue, project, Role.SUPPORT)
    assert log_in(sue).get(LIST).status_code == 200
    for user in (ann, User.objects.create_superuser("root")):
        browser = log_in(user)
        assert [browser.get(path)["Location"] for path in (LIST, "/admin/", "/admin/account/")] == [SETUP] * 3
        browser.get(SETUP)
        assert browser.post(SETUP, {"code": code_of(user)}).status_code == 200
        assert browser.get(LIST).status_code == 200
    # A session that began without it goes on with it.
    browser = log_in(ann)
    assert browser.get(LIST)["Location"] == SECOND
    assert browser.post(SECOND, {"code": code_of(ann, later=1)})["Location"] == LIST
    assert browser.get(LIST).status_code == 200


def test_it_is_removed_by_somebody_who_has_just_entered_it_or_by_an_operator(ann):
    codes = set_up(ann)
    browser = log_in(ann)
    for form in ({"remove_app": "1"}, {"new_codes": "1"}):
        assert browser.post(CHANGE, form)["Location"] == SECOND
    assert browser.post(SECOND, {"code": codes[0]})["Location"] == "/admin/account/"
    fresh = browser.post(CHANGE, {"new_codes": "1"}).content.decode()
    assert codes[1] not in fresh
    assert not RecoveryCode.objects.filter(used_at__isnull=False).exists()
    browser.post(CHANGE, {"remove_app": "1"})
    assert not Authenticator.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert enter_password(Client())["Location"] == LIST
    set_up(ann)
    remove_factor("command", ann)
    removed = AuditEntry.objects.filter(action="remove_second_factor").order_by("id")
    assert list(removed.values_list("actor", flat=True)) == ["ann", "command"]


def test_the_setting_knows_the_roles():
    assert tuple(Role.values) == ROLES
