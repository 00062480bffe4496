"""Processor time of templates and of text made from HTML, by project and minute."""

from typing import Any

import pytest

from ledger.shares import MinuteCounts
from templates_app import processor_time

pytestmark = pytest.mark.django_db

EMAIL = {"to": ["one@rcpt.test"], "from_": "shop@mine.test", "subject": "Hello", "html": "<p>Hello</p>"}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(processor_time, "spent", MinuteCounts(lambda: 30.0))
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]


def use_up(project: Any) -> None:
    processor_time.spent.add(project.pk, 1000.0)


def test_text_made_from_html_is_refused_when_the_time_is_used_up_and_other_projects_are_not(
    api: Any, other_api: Any, project: Any
) -> None:
    assert api.post("/emails", EMAIL).status_code == 202
    assert processor_time.spent.read(project.pk) > 0
    use_up(project)
    refused = api.post("/emails", EMAIL)
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (
        429,
        "processor_time_used_up",
        "30",
    )
    assert other_api.post("/emails", EMAIL).status_code == 202
    # Mail that needs none of it goes on.
    assert api.post("/emails", EMAIL | {"text": "Hello"}).status_code == 202


@pytest.mark.parametrize("query", ["", "?mode=permissive"])
def test_a_batch_is_refused_whole(api: Any, project: Any, query: str) -> None:
    use_up(project)
    refused = api.post(f"/emails/batch{query}", [EMAIL | {"text": "Hello"}, EMAIL])
    assert (refused.status_code, refused.json()["code"]) == (429, "processor_time_used_up")
    assert api.get("/emails").json()["data"] == []


def test_a_failed_rendering_counts_and_previews_are_refused_too(api: Any, project: Any) -> None:
    source = {"alias": "hello", "name": "Hello", "subject": "Hi {{ name }}", "text": "{{ name | date: 1 }}"}
    template = api.post("/templates", source).json()
    before = processor_time.spent.read(project.pk)
    assert api.post(f"/templates/{template['id']}/preview", {"template_vars": {}}).status_code == 422
    assert processor_time.spent.read(project.pk) > before
    use_up(project)
    refused = api.post(f"/templates/{template['id']}/preview", {"template_vars": {"name": "Jo"}})
    assert (refused.status_code, refused.json()["code"]) == (429, "processor_time_used_up")
