"""The admin's login locks out clients that guess passwords."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def user(db) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def log_in(password: str, address: str = "192.0.2.1", **headers: str):
    return Client().post(
        reverse("admin:login"), {"username": "root", "password": password}, REMOTE_ADDR=address, headers=headers
    )


def test_the_right_password_opens_the_admin():
    browser = Client()
    answer = browser.post(reverse("admin:login"), {"username": "root", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get(answer["Location"]).status_code == 200


def test_a_login_leads_to_the_page_that_asked_for_it():
    browser = Client()
    asked = browser.get("/admin/mail/message/")
    answer = browser.post(asked["Location"], {"username": "root", "password": PASSWORD})
    assert answer["Location"] == "/admin/mail/message/"


def test_a_login_leads_to_no_other_host():
    answer = Client().post("/admin/login/?next=//evil.example/", {"username": "root", "password": PASSWORD})
    assert answer["Location"] == "/admin/"


def test_after_ten_wrong_passwords_an_address_waits_even_with_the_right_one():
    assert [log_in("wrong").status_code for _ in range(10)] == [200] * 9 + [429]
    answer = log_in(PASSWORD)
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert "quarter of an hour" in answer.content.decode()
    assert log_in(PASSWORD, "192.0.2.2").status_code == 302


def test_the_lock_opens_after_a_quarter_of_an_hour():
    for _ in range(10):
        log_in("wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in(PASSWORD).status_code == 302


def test_a_forged_forwarding_header_does_not_make_another_client():
    for number in range(10):
        log_in("wrong", X_Forwarded_For=f"198.51.100.{number}")
    assert log_in(PASSWORD).status_code == 429


def test_behind_a_trusted_proxy_each_client_counts_alone(settings):
    settings.TRUSTED_PROXIES = [ip_network("192.0.2.0/24")]
    for _ in range(10):
        log_in("wrong", X_Forwarded_For="198.51.100.7")
    assert log_in(PASSWORD, X_Forwarded_For="198.51.100.7").status_code == 429
    assert log_in(PASSWORD, X_Forwarded_For="198.51.100.8").status_code == 302


def test_no_password_is_kept():
    log_in("my secret guess")
    attempt = AccessAttempt.objects.get()
    assert "my secret guess" not in f"{attempt.post_data}{attempt.get_data}"


def log_in_as(name: str, password: str, address: str):
    form = {"username": name, "password": password}
    return Client().post(reverse("admin:login"), form, REMOTE_ADDR=address).status_code


def test_failures_of_one_account_from_many_addresses_lock_it_for_strangers_alone():
    User.objects.create_superuser("other", password=PASSWORD)
    assert log_in_as("root", PASSWORD, "198.51.100.1") == 302
    for number in range(10):
        log_in_as("root", "wrong", f"203.0.113.{number}")
    assert log_in_as("root", PASSWORD, "203.0.113.99") == 429
    assert log_in_as("other", PASSWORD, "203.0.113.99") == 302
    assert log_in_as("root", PASSWORD, "198.51.100.1") == 302


def test_another_accounts_success_does_not_forget_failures():
    User.objects.create_superuser("mallory", password=PASSWORD)
    for _ in range(3):
        for _ in range(3):
            log_in_as("root", "wrong", "203.0.113.5")
        assert log_in_as("mallory", PASSWORD, "203.0.113.5") == 302
    assert log_in_as("root", "wrong", "203.0.113.5") == 429


def test_ones_own_success_forgets_ones_own_failures_at_that_address_alone():
    for _ in range(5):
        log_in_as("root", "wrong", "198.51.100.1")
        log_in_as("root", "wrong", "203.0.113.5")
    assert AccessAttempt.objects.count() == 2
    # Ten failures at two addresses lock the account, here too: it never signed in from here.
    assert log_in_as("root", PASSWORD, "198.51.100.1") == 429
    AccessAttempt.objects.filter(ip_address="203.0.113.5").update(failures_since_start=4)
    assert log_in_as("root", PASSWORD, "198.51.100.1") == 302
    assert [row.ip_address for row in AccessAttempt.objects.all()] == ["203.0.113.5"]
