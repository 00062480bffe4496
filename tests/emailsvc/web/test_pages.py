"""The landing page and the API's page: offline, without inline scripts, and correct."""

import ast
import html
import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

PAGES = ("/", "/docs")


def page(path: str, **headers: str) -> str:
    answer = Client().get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def sample(name: str) -> str:
    found = re.search(rf'data-sample="{name}"[^>]*><code>(.*?)</code>', page("/"), re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_no_inline_script_and_loads_nothing_from_elsewhere(path):
    answer = Client().get(path)
    text = answer.content.decode()
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not re.findall(r"<script(?![^>]*\ssrc=)", text)
    assert not re.findall(r"\son\w+=", text)
    assert " style=" not in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    assert "sessionid" not in answer.cookies


@pytest.mark.parametrize("path", PAGES)
def test_every_file_that_a_page_names_is_there(path):
    names = re.findall(r'(?:src|href)="/static/([^"]+)"', page(path))
    assert names
    assert [name for name in names if not finders.find(name)] == []


def test_the_landing_page_leads_everywhere():
    text = page("/")
    for link in ("/docs", "/inbox/", "/admin/", "/readyz"):
        assert f'href="{link}"' in text
    assert [Client().get(link).status_code for link in ("/docs", "/inbox/", "/docs/")] == [200, 200, 302]


def test_the_inbox_is_not_offered_where_it_does_not_answer():
    assert "/inbox/" not in page("/", X_Forwarded_For="198.51.100.1")


def test_the_samples_name_this_service(settings):
    settings.PUBLIC_URL = "https://mail.service.test"
    for name in ("curl", "js", "python"):
        assert "https://mail.service.test/api/v1/emails" in sample(name)


@pytest.mark.django_db
def test_what_the_samples_send_is_accepted(api):
    curl = json.loads(sample("curl").split("-d '")[1].rsplit("'", 1)[0])
    assert api.post("/emails", curl).status_code == 202
    for name in ("js", "python"):
        for value in curl.values():
            assert f'"{value}"' in sample(name)
    ast.parse(sample("python"))


@pytest.mark.django_db
def test_errors_are_pages_for_people_and_problems_for_programs(settings):
    missing = Client().get("/nowhere")
    assert (missing.status_code, "The page does not exist." in missing.content.decode()) == (404, True)
    assert Client().get("/api/v1/nowhere")["Content-Type"] == "application/problem+json"
    assert Client().get("/favicon.ico").status_code == 302


def test_pages_accept_only_reads():
    for path in PAGES:
        assert Client().post(path).status_code == 405
