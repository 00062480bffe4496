"""Security keys and passkeys as second factors of sign-ins to the admin."""

import html
import json
import os
import re
import time
from dataclasses import replace

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from accounts.models import AuditEntry, Authenticator, RecoveryCode, SecurityKey, Session
from accounts.people.factors import confirm_authenticator, remove_factor, start_authenticator
from accounts.people.roles import Role
from accounts.people.security_keys import check_key, find_party
from accounts.people.services import create_user, give_role
from accounts.people.totp import code_at
from tests.admin.people import log_in
from tests.soft_key import SoftKey

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
HOST, SITE = "mail.example.com", "https://mail.example.com"
ADD = "/admin/account/keys/"
CHANGE = "/admin/account/factor/"
ACCOUNT = "/admin/account/"
SECOND = "/admin/login/second/"
LIST = "/admin/mail/message/"


@pytest.fixture(autouse=True)
def site(settings):
    settings.PUBLIC_URL = SITE
    settings.ALLOWED_HOSTS = [HOST, "other.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = [SITE]


@pytest.fixture
def ann(project) -> User:
    user = create_user(name="ann", password=PASSWORD)
    give_role("test", user, project, Role.OPERATOR)
    return user


def make_key(**traits) -> SoftKey:
    return SoftKey(origin=SITE, rp_id=HOST, **traits)


def visit(user: User | None = None) -> Client:
    browser = log_in(user) if user else Client()
    browser.defaults |= {"HTTP_HOST": HOST, "wsgi.url_scheme": "https"}
    return browser


def read_question(page) -> str:
    found = re.search(r'data-options="([^"]+)"', page.content.decode())
    assert found
    return html.unescape(found[1])


def add(browser: Client, key: SoftKey, name: str = "Blue key"):
    return browser.post(ADD, {"name": name, "answer": key.create(read_question(browser.get(ADD)))})


def enter_password() -> Client:
    browser = visit()
    form = {"username": "ann", "password": PASSWORD}
    assert browser.post(f"{reverse('admin:login')}?next={LIST}", form)["Location"] == SECOND
    return browser


def sign_in(key: SoftKey) -> int:
    browser = enter_password()
    return browser.post(SECOND, {"answer": key.get(read_question(browser.get(SECOND)))}).status_code


def test_a_key_is_added_under_a_name_and_signs_in(ann):
    browser, elsewhere, key = visit(ann), visit(ann), make_key()
    options = json.loads(read_question(browser.get(ADD)))
    assert (options["rp"]["id"], options["user"]["name"]) == (HOST, "ann")
    codes = re.findall(r"<code>([a-z2-7]{16})</code>", add(browser, key).content.decode())
    assert len(codes) == 10
    assert (browser.get(LIST).status_code, elsewhere.get(LIST).status_code) == (200, 302)
    assert "Blue key" in browser.get(ACCOUNT).content.decode()
    second = enter_password()
    question = read_question(second.get(SECOND))
    assert [base64url_to_bytes(each["id"]) for each in json.loads(question)["allowCredentials"]] == [key.id]
    assert second.get(LIST).status_code == 302
    assert second.post(SECOND, {"answer": key.get(question)})["Location"] == LIST
    assert second.get(LIST).status_code == 200
    row = SecurityKey.objects.get()
    assert (row.name, row.sign_count, row.transports, bool(row.last_used_at)) == ("Blue key", 2, ["usb"], True)
    recovering = enter_password()
    assert recovering.post(SECOND, {"code": codes[0]}).status_code == 302
    told = AuditEntry.objects.filter(action="add_security_key").values_list("actor", "data__name")
    assert list(told) == [("ann", "Blue key")]


def is_taken(user: User, key: SoftKey) -> bool:
    """Whether the key's answer to a new question is right for the user."""
    challenge, party = os.urandom(64), find_party()
    answer = key.get(json.dumps({"challenge": bytes_to_base64url(challenge)}))
    return check_key(user, answer, challenge=challenge, party=party)


def test_an_answer_holds_for_its_question_once_and_in_its_session(ann):
    key = make_key(count=0)
    add(visit(ann), key)
    browser, other = enter_password(), enter_password()
    question = read_question(browser.get(SECOND))
    read_question(other.get(SECOND))
    answer = key.get(question)
    assert other.post(SECOND, {"answer": answer}).status_code == 200
    asked_again = read_question(browser.get(SECOND))
    assert browser.post(SECOND, {"answer": answer}).status_code == 200
    assert browser.post(SECOND, {"answer": key.get(asked_again)}).status_code == 200
    assert Session.objects.filter(user=ann).count() == 1
    assert sign_in(key) == 302


def test_what_is_signed_elsewhere_or_by_another_key_is_refused(ann, project):
    key, of_sue = make_key(), make_key()
    add(visit(ann), key)
    sue = create_user(name="sue", password=PASSWORD)
    give_role("test", sue, project, Role.SUPPORT)
    add(visit(sue), of_sue)
    wrong = [
        replace(key, origin="https://mail.example.com.evil.test"),
        replace(key, origin="http://mail.example.com"),
        replace(key, rp_id="example.com"),
        replace(key, private_key=make_key().private_key),
        replace(key, is_verifying=False),
        of_sue,
    ]
    assert not [each for each in wrong if is_taken(ann, each)]
    assert is_taken(ann, key)


def test_a_key_without_a_pin_signs_in_without_one(ann):
    key = make_key(is_verifying=False)
    add(visit(ann), key)
    assert is_taken(ann, key)


def test_a_copy_of_a_key_is_refused_and_told_by_its_count(ann):
    key = make_key(count=7)
    add(visit(ann), key)
    copy = replace(key)
    assert [is_taken(ann, each) for each in (key, copy, replace(key, count=0))] == [True, False, False]
    told = AuditEntry.objects.filter(action="refuse_security_key").order_by("id")
    assert [(each.data["kept_count"], each.data["given_count"]) for each in told] == [(8, 8), (8, 0)]


def test_wrong_answers_count_as_wrong_passwords(ann):
    key = make_key()
    add(visit(ann), key)
    browser, other = enter_password(), enter_password()
    right = key.get(read_question(other.get(SECOND)))
    assert [browser.post(SECOND, {"answer": "{}"}).status_code for _ in range(10)] == [200] * 9 + [429]
    assert AccessAttempt.objects.get().username == "ann"
    assert other.post(SECOND, {"answer": right}).status_code == 429


def test_a_key_is_registered_once_and_for_one_person(ann, project):
    key, browser = make_key(), visit(ann)
    add(browser, key)
    excluded = json.loads(read_question(browser.get(ADD)))["excludeCredentials"]
    assert [each["id"] for each in excluded] == [bytes_to_base64url(key.id)]
    sue = create_user(name="sue", password=PASSWORD)
    give_role("test", sue, project, Role.SUPPORT)
    for page in (
        add(browser, key, "again"),
        add(visit(sue), key),
        add(browser, make_key(), "Blue key"),
        add(browser, make_key(), " \n"),
        add(browser, replace(make_key(), origin="https://evil.test")),
        browser.post(ADD, {"name": "x", "answer": key.create('{"challenge": "AAAA"}')}),
        browser.post(ADD, {"name": "x", "answer": "[" * 20_000}),
    ):
        assert page.status_code == 200
        assert b"data-options" in page.content
    assert SecurityKey.objects.count() == 1


def test_factors_are_changed_by_somebody_who_has_just_entered_one(ann):
    key, spare, browser = make_key(), make_key(), visit(ann)
    add(browser, key)
    assert add(browser, spare, "Spare")["Location"] == ACCOUNT
    first, second = SecurityKey.objects.order_by("id")
    late = visit(ann)
    assert "Confirm that it is you" in late.get(ACCOUNT).content.decode()
    for form in ({"remove_key": str(first.pk)}, {"new_codes": "1"}):
        assert late.post(CHANGE, form)["Location"] == SECOND
    assert late.get(ADD)["Location"] == late.get("/admin/account/authenticator/")["Location"] == SECOND
    assert late.post(SECOND, {"answer": key.get(read_question(late.get(SECOND)))})["Location"] == ACCOUNT
    assert late.post(CHANGE, {"remove_key": str(first.pk)})["Location"] == ACCOUNT
    assert late.post(CHANGE, {"remove_key": str(first.pk)}).status_code == 404
    assert late.post(CHANGE, {"remove_key": "x"}).status_code == 404
    assert RecoveryCode.objects.filter(user=ann).count() == 10
    late.post(CHANGE, {"remove_key": str(second.pk)})
    assert not RecoveryCode.objects.filter(user=ann).exists()
    assert AuditEntry.objects.filter(action="remove_security_key").count() == 2


def test_nobody_removes_the_key_of_somebody_else(ann, project):
    add(visit(ann), make_key())
    sue = create_user(name="sue", password=PASSWORD)
    give_role("test", sue, project, Role.SUPPORT)
    browser = visit(sue)
    add(browser, make_key())
    assert browser.post(CHANGE, {"remove_key": str(SecurityKey.objects.get(user=ann).pk)}).status_code == 404
    assert SecurityKey.objects.count() == 2


def test_a_key_stands_beside_an_app(ann):
    key, browser = make_key(), visit(ann)
    codes = confirm_authenticator(ann, code_at(str(start_authenticator(ann).key), int(time.time()) // 30))
    assert browser.get(ADD)["Location"] == SECOND
    browser.post(SECOND, {"code": codes[0]})
    assert add(browser, key)["Location"] == ACCOUNT
    assert sign_in(key) == 302
    browser.post(CHANGE, {"remove_app": "1"})
    assert not Authenticator.objects.exists()
    assert "A recovery code" in enter_password().get(SECOND).content.decode()
    remove_factor("command", ann)
    assert not SecurityKey.objects.exists()


def test_a_key_satisfies_a_role_that_needs_a_second_factor(ann, settings):
    settings.SECOND_FACTOR_ROLES = ["operator"]
    browser = visit(ann)
    assert browser.get(LIST)["Location"] == "/admin/account/authenticator/"
    assert ADD in browser.get("/admin/account/authenticator/").content.decode()
    add(browser, make_key())
    assert browser.get(LIST).status_code == 200
    late = visit(ann)
    # A session without the factor neither sees pages nor adds a key of its own.
    assert [late.get(path)["Location"] for path in (LIST, ADD)] == [SECOND, SECOND]


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://mail.example.com", ("mail.example.com", "https://mail.example.com")),
        ("https://mail.example.com:443", ("mail.example.com", "https://mail.example.com")),
        ("https://Mail.example.com:8443", ("mail.example.com", "https://mail.example.com:8443")),
        ("https://bücher.example.com", ("xn--bcher-kva.example.com", "https://xn--bcher-kva.example.com")),
        ("http://localhost:8000", ("localhost", "http://localhost:8000")),
        ("http://mail.example.com", None),
        ("http://127.0.0.1:8000", None),
        ("https://192.0.2.1", None),
        ("https://[2001:db8::1]", None),
    ],
)
def test_keys_are_bound_to_the_name_of_the_public_url(settings, url, party):
    settings.PUBLIC_URL = url
    found = find_party()
    assert (found and (found.id, found.origin)) == party


def test_pages_under_another_name_offer_no_keys_and_say_where_they_work(ann, settings):
    key = make_key()
    add(visit(ann), key)
    browser = enter_password()
    question = read_question(browser.get(SECOND))
    other = browser.get(SECOND, HTTP_HOST="other.example.com").content.decode()
    assert "data-options" not in other
    assert f"{SITE}/admin/" in other
    assert browser.post(SECOND, {"answer": key.get(question)}, HTTP_HOST="other.example.com").status_code == 200
    assert visit(ann).get(ADD, HTTP_HOST="other.example.com").status_code == 404
    settings.PUBLIC_URL = "http://mail.example.com"
    # What was registered goes on asking for a second factor: a recovery code.
    assert "data-options" not in enter_password().get(SECOND).content.decode()


def test_no_broken_answer_is_more_than_refused(ann):
    key, party = make_key(), find_party()
    add(visit(ann), key)
    challenge = bytes(64)
    right = key.get(json.dumps({"challenge": bytes_to_base64url(challenge)}))
    broken = ["", "null", "[]", "{}", "[" * 16_000, '"x"', right[:-1], "\ud800", right.replace("public-key", "x")]
    whole = json.loads(right)
    for path in (("id",), ("rawId",), ("response",), *(("response", name) for name in whole["response"])):
        for value in (None, 7, "", "é", "AA", "_" * 3000, [], {}, bytes_to_base64url(b"\xff" * 37)):
            changed = json.loads(right)
            inner = changed if len(path) == 1 else changed["response"]
            inner[path[-1]] = value
            broken.append(json.dumps(changed))
    assert not [each for each in broken if check_key(ann, each, challenge=challenge, party=party)]
    assert check_key(ann, right, challenge=challenge, party=party)
