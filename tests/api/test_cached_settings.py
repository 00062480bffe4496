"""What a process has cached lets nobody in, and shuts nobody out."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey, Project
from accounts.services import revoke_api_key
from accounts.streams import create_stream
from domains.models import Domain
from ledger.cached_rows import CachedRows
from ledger.sql import execute
from messages.streams import delete_stream
from providers.services import sync_shared_provider
from templates_app.services import create_template, find_template, publish_template, update_template
from tests.conftest import ApiClient
from tests.round_trips import counted_statements

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@good.test", "to": "a@x.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture(autouse=True)
def _mail_leaves(settings: Any, db: None) -> None:
    settings.TRUSTED_SENDER_DOMAINS = []
    sync_shared_provider("smtp://127.0.0.1:9?tls=never")


@pytest.fixture
def domain(project: Project) -> Domain:
    now = timezone.now()
    return Domain.objects.create(
        project=project, name="good.test", status="verified", verified_at=now, next_check_at=now
    )


REVOKES: dict[str, Callable[[ApiKey], object]] = {
    "service": revoke_api_key,
    "query": lambda key: ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now()),
    "SQL": lambda key: execute("UPDATE accounts_apikey SET revoked_at = now() WHERE id = %s", [key.pk]),
    "deletion": lambda key: key.delete(),
    "expiry": lambda key: ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
}


@pytest.mark.parametrize("way", REVOKES)
def test_a_revoked_key_is_refused(api: ApiClient, domain: Domain, api_key: ApiKey, way: str) -> None:
    assert api.post("/emails", EMAIL).status_code == 202
    REVOKES[way](api_key)
    assert api.post("/emails", EMAIL).status_code == 401


def test_a_key_without_its_scope_is_refused(api: ApiClient, domain: Domain, api_key: ApiKey) -> None:
    assert api.post("/emails", EMAIL).status_code == 202
    ApiKey.objects.filter(pk=api_key.pk).update(scopes=["emails:read"])
    assert api.post("/emails", EMAIL).json()["code"] == "missing_scope"


@pytest.mark.parametrize("named", [True, False])
def test_a_suspended_domain_is_refused_and_a_verified_one_accepted(api: ApiClient, domain: Domain, named: bool) -> None:
    email = {**EMAIL, **({"domain_id": str(domain.pk)} if named else {})}
    assert api.post("/emails", email).status_code == 202
    Domain.objects.update(status="suspended")
    assert api.post("/emails", email).json()["code"] == "sender_not_verified"
    Domain.objects.update(status="verified")
    assert api.post("/emails", email).status_code == 202
    domain.delete()
    assert api.post("/emails", email).status_code in {403, 422}


def test_a_deleted_stream_is_refused(api: ApiClient, domain: Domain, project: Project) -> None:
    email = {**EMAIL, "stream": "news"}
    assert api.post("/emails", email).json()["code"] == "unknown_stream"
    stream = create_stream(project, name="news", type_="transactional")
    assert api.post("/emails", email).status_code == 202
    project.messages.all().delete()
    delete_stream(stream)
    assert api.post("/emails", email).json()["code"] == "unknown_stream"


def test_a_newly_published_version_is_used(api: ApiClient, domain: Domain, project: Project) -> None:
    email = {"from_": "shop@good.test", "to": "a@x.test", "template_id": "t"}
    template = create_template(project, {"alias": "t", "subject": "one", "text": "t"})
    assert api.post("/emails", email).json()["code"] == "template_not_published"
    publish_template(template)
    assert api.post("/emails", email).json()["subject"] == "one"
    template = update_template(find_template(project, "t"), {"subject": "two"})
    publish_template(template)
    assert api.post("/emails", email).json()["subject"] == "two"


def test_a_changed_default_sender_is_used(api: ApiClient, domain: Domain, project: Project) -> None:
    email = {name: value for name, value in EMAIL.items() if name != "from_"}
    assert api.post("/emails", email).status_code == 422
    for sender in ("one@good.test", "two@good.test"):
        Project.objects.filter(pk=project.pk).update(default_from=sender)
        assert api.post("/emails", email).json()["from_"] == sender


def test_other_projects_do_not_see_what_is_cached(api: ApiClient, other_api: ApiClient, domain: Domain) -> None:
    assert api.post("/emails", EMAIL).status_code == 202
    assert other_api.post("/emails", EMAIL).json()["code"] == "sender_not_verified"


def test_a_stale_cache_refuses_nobody(
    api: ApiClient, domain: Domain, caching: CachedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Domain.objects.update(status="suspended")
    assert api.post("/emails", EMAIL).status_code == 403
    monkeypatch.setattr(caching, "_check", lambda: None)
    Domain.objects.update(status="verified")
    with counted_statements() as sent:
        assert api.post("/emails", EMAIL).status_code == 202
    assert [sql for sql in sent if "domains_domain" in sql]
