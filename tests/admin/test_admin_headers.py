"""Security headers of the admin's pages, and the result of the deployment check."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from tests.admin.people import superuser

ROOT = Path(__file__).parents[2]


@pytest.mark.django_db
def test_every_page_has_a_policy_without_inline_scripts_and_other_hosts():
    for client, name in ((Client(), "admin:login"), (superuser(), "admin:index")):
        answer = client.get(reverse(name))
        policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
        assert answer.status_code == 200
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == "'self' 'unsafe-eval'"
        assert not any("http" in value or "*" in value for value in policy.values())
        assert (answer["X-Frame-Options"], answer["Cache-Control"]) == ("DENY", answer["Cache-Control"])
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_the_end_of_a_session_has_the_browser_forget_what_it_stored():
    client = superuser()
    assert "Clear-Site-Data" not in client.get(reverse("admin:index"))
    assert client.post(reverse("admin:logout"))["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get(reverse("admin:index")).status_code == 302


@pytest.mark.django_db
def test_pages_load_nothing_from_other_hosts():
    html = superuser().get(reverse("admin:index")).content.decode()
    for attribute in ('src="http', 'href="http', 'src="//', 'href="//'):
        assert attribute not in html


@pytest.mark.parametrize(("proxies", "is_secure"), [([], False), ([ip_network("192.0.2.0/24")], True)])
def test_only_trusted_proxies_say_that_the_client_came_by_https(settings, proxies, is_secure):
    settings.TRUSTED_PROXIES = proxies
    settings.SECURE_HSTS_SECONDS = 60
    answer = Client().get("/healthz", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-Proto": "https"})
    assert ("Strict-Transport-Security" in answer) == is_secure


@pytest.mark.slow("starts a program that loads the whole service")
def test_the_deployment_check_has_nothing_to_say_with_https():
    environment = os.environ | {"PUBLIC_URL": "https://mail.service.test", "SECRET_KEY": "s3cr3t-" + "abcdefghij" * 5}
    command = [sys.executable, "manage.py", "check", "--deploy", "--tag", "security"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, "no issues" in done.stdout + done.stderr) == (0, True), done.stderr
