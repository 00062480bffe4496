"""The group Support: its members may view and act, but not change anything."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission, User
from django.db import models
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import ApiKey, AuditEntry
from accounts.services import create_api_key
from emailsvc.admin_site.support_group import GROUP, PERMISSIONS, sync_support_group
from providers.models import Provider
from tests.provider_rows import settings_of

pytestmark = pytest.mark.django_db
REGISTERED = sorted(site._registry, key=lambda model: model._meta.label)
VISIBLE = {
    "mail.Message",
    "mail.IncidentResend",
    "accounts.Project",
    "accounts.RequestEntry",
    "accounts.Stream",
    "domains.Domain",
    "providers.Provider",
    "templates.Template",
    "tracking.Rollup",
    "tracking.Suppression",
    "tracking.SuppressionWave",
    "webhooks.Endpoint",
    "webhooks.WebhookDelivery",
}


def url(model: type[models.Model], name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.fixture
def rows(send, project) -> dict[str, Any]:
    """A row of each model that one can be made of without much ado, and the key's text."""
    _, token = create_api_key(project, scopes=["emails:send"])
    Provider.objects.create(
        project=project, name="relay", kind="smtp", settings=settings_of("smtp://me:s3cret@relay.test:587")
    )
    send()
    return {"token": token}


def objects() -> Iterator[models.Model]:
    for model in REGISTERED:
        if first := model._default_manager.first():
            yield first


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_nothing_can_be_added(sue: Client, model):
    for method in (sue.get, sue.post):
        try:
            address = url(model, "add")
        except NoReverseMatch:
            continue
        assert method(address).status_code == 403


def test_nothing_can_be_changed_or_deleted(sue: Client, rows):
    seen = set()
    for row in objects():
        seen.add(row._meta.label)
        before = type(row)._default_manager.filter(pk=row.pk).values().get()
        assert sue.post(url(type(row), "change", row.pk), {"name": "x", "_save": "1"}).status_code == 403, row
        for method in (sue.get, sue.post):
            assert method(url(type(row), "delete", row.pk), {"post": "yes"}).status_code == 403, row
        assert type(row)._default_manager.filter(pk=row.pk).values().get() == before
    assert seen >= {"mail.Message", "accounts.ApiKey", "accounts.Project", "auth.Group", "auth.User"}


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_no_list_offers_to_delete_and_only_some_can_be_seen(sue: Client, rows, model):
    answer = sue.get(url(model, "changelist"))
    assert answer.status_code == (200 if model._meta.label in VISIBLE else 403)
    if answer.status_code == 200:
        assert "delete_selected" not in answer.content.decode()
        before = model._default_manager.count()
        chosen = [str(pk) for pk in model._default_manager.values_list("pk", flat=True)[:5]]
        sue.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
        assert model._default_manager.count() == before


def test_keys_are_out_of_sight(sue: Client, rows):
    key = ApiKey.objects.get()
    for address in (
        url(ApiKey, "changelist"),
        url(ApiKey, "change", key.pk),
        url(ApiKey, "history", key.pk),
        url(AuditEntry, "changelist"),
    ):
        assert sue.get(address).status_code == 403
    assert sue.post(url(ApiKey, "revoke", key.pk)).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_a_provider_shows_where_it_leads_and_no_credentials(sue: Client, root: Client, rows):
    provider = Provider.objects.get()
    for client in (sue, root):
        for address in (url(Provider, "changelist"), url(Provider, "change", provider.pk)):
            html = client.get(address).content.decode()
            assert "host relay.test" in html
            assert "s3cret" not in html


def test_the_sidebar_leads_only_where_one_may_go(sue: Client, root: Client):
    html = sue.get(reverse("admin:index")).content.decode()
    assert url(ApiKey, "changelist") not in html
    assert url(User, "changelist") not in html
    assert reverse("admin:mail_message_changelist") in html
    html = root.get(reverse("admin:index")).content.decode()
    for model in (ApiKey, User, Group):
        assert url(model, "changelist") in html


def test_users_without_staff_rights_are_sent_to_the_login():
    client = Client()
    client.force_login(User.objects.create_user("x"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(reverse("admin:mail_message_changelist")).status_code == 302


def test_the_group_is_made_once_and_keeps_what_an_administrator_added(db: None):
    sync_support_group()
    group = Group.objects.get(name=GROUP)
    added = Permission.objects.get(codename="view_auditentry")
    group.permissions.add(added)
    group.permissions.remove(Permission.objects.get(codename="view_rollup"))
    sync_support_group()
    names = {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()}
    assert names == {*PERMISSIONS, "accounts.view_auditentry"}
    assert Group.objects.filter(name=GROUP).count() == 1
