"""Roles: somebody with a role in one project finds nothing of another one in the admin."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from accounts.models import AuditEntry, Invitation, KeyLimits, Membership, Notice, Project, ProjectLimits, Retention
from accounts.people.admin import MembershipAdmin
from accounts.people.reach import EVERYWHERE, NOWHERE, find_reach, visible_projects
from accounts.people.roles import RIGHTS, ROLES_IN_INSTALLATION, Role, build_table
from accounts.people.scoped_admin import ScopedAdmin
from accounts.people.services import create_user, give_role, take_role
from accounts.requests.models import RequestEntry
from accounts.services import create_api_key, write_audit, write_notice
from common.ids import new_id
from messages.lifetimes.erasures import request_erasure
from messages.models import IncidentResend, Message, Pause
from providers.models import Provider
from tests.admin.people import log_in
from tests.architecture.sources import ROOT
from tests.provider_rows import settings_of
from tracking.models import Rollup, Suppression
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
SCOPED = [model for model, admin in site._registry.items() if isinstance(admin, ScopedAdmin)]
OTHERS = [model for model in site._registry if model not in SCOPED]
EMAIL = {"from": "a@mine.test", "to": "b@x.test", "subject": "Their secret", "text": "T"}


def person(role: Role, project: Project | None, name: str = "pat") -> Client:
    user = create_user(name=name, password=None)
    give_role("test", user, project, role)
    return log_in(user)


def make_rollup(project: Project) -> Rollup:
    counts = {field.name: 0 for field in Rollup._meta.fields if isinstance(field, models.IntegerField)}
    counts.pop("id")
    return Rollup.objects.create(project=project, dimension="all", value="", starts_at="2026-01-01T00:00Z", **counts)


@pytest.fixture
def theirs(other_project: Project, make_api: Any) -> dict[type[models.Model], models.Model]:
    """A row of each model, of the other project."""
    api = make_api(other_project)
    message = Message.objects.get(pk=api.post("/emails", EMAIL).json()["id"])
    api.post("/templates", {"alias": "their-template", "name": "Theirs", "subject": "Hi", "text": "Hi"})
    api.post("/domains", {"name": "theirs.test"})
    api.post("/webhooks", {"url": "https://93.184.215.14/theirs", "events": ["*"]})
    api.post("/suppressions", {"address": "theirs@x.test"})
    endpoint = other_project.endpoints.get()
    key, _ = create_api_key(other_project, name="Their key", scopes=["emails:send"])
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint, project=other_project, event_id=endpoint.pk, type="email.sent", payload="{}",
        attempts_left=1, created_at=message.created_at,
    )  # fmt: skip
    owner = create_user(name="their-owner", password=None)
    rows = [
        *(other_project, message, endpoint, key, delivery, make_rollup(other_project)),
        *(other_project.templates.get(), other_project.domains.get(), other_project.streams.get()),
        Suppression.objects.get(),
        ProjectLimits.objects.create(project=other_project),
        Retention.objects.create(project=other_project),
        request_erasure(other_project, "theirs@x.test", "x"),
        KeyLimits.objects.create(api_key=key),
        write_audit("their-actor", "act", other_project),
        write_notice(other_project, kind="note", text="Their notice"),
        Provider.objects.create(
            project=other_project, name="their-provider", kind="simulator", settings=settings_of("simulator:")
        ),
        Pause.objects.create(project=other_project, kind="tag", value="theirs", label="theirs"),
        IncidentResend.objects.create(recipient=message.recipients.get(), actor="x"),
        give_role("test", owner, other_project, Role.OWNER)[0],
        RequestEntry.objects.create(
            id=new_id(),
            project=other_project,
            is_test=False,
            at=message.created_at,
            method="GET",
            route="/theirs",
            status=200,
            duration_ms=1,
            key_prefix="their-prefix",
            request_id="theirs",
        ),
        Invitation.objects.create(
            project=other_project, email="theirs@x.test", role="owner", invited_by="x", expires_at=message.created_at
        ),
    ]
    return {type(row): row for row in rows}


def list_paths(patterns: Any, prefix: str, pk: object) -> Iterator[str]:
    """Every URL below `patterns` that names a row, for the row `pk`."""
    for pattern in patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from list_paths(pattern.url_patterns, prefix + route, pk)
        elif isinstance(pattern, URLPattern) and pattern.pattern.converters:
            filled = prefix + route
            for name in pattern.pattern.converters:
                kind = {"attachment_id": "uuid"}.get(name, "")
                found = next(one for one in (f"<{kind}:{name}>", f"<path:{name}>", f"<uuid:{name}>") if one in filled)
                filled = filled.replace(found, str(pk))
            yield filled


def test_the_test_has_a_row_of_each_model_with_a_project(theirs):
    assert set(theirs) == set(SCOPED)


@pytest.mark.parametrize("role", [Role.OWNER, Role.SUPPORT])
def test_every_page_of_another_projects_row_is_missing(theirs, project, role):
    client = person(role, project)
    seen = set()
    for model, row in theirs.items():
        admin = site.get_model_admin(model)
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for path in list_paths(admin.get_urls(), base, row.pk):
            if path.endswith(f"/{row.pk}/") and path.count("/") == 5:
                continue  # Django's redirect of old addresses, to the page itself.
            got, posted = client.get(path).status_code, client.post(path, {"post": "yes"}).status_code
            # Some pages refuse every POST, and buttons every GET.
            assert (got, posted) in {(404, 404), (404, 403), (405, 404), (404, 405)}, (path, got, posted)
            seen.add(path)
    assert len(seen) > 4 * len(SCOPED)


TOLD = ("their-", "theirs", "Other")


@pytest.mark.slow("opens 150 pages of the admin")
def test_no_list_search_filter_or_form_tells_of_another_project(theirs, project):
    client, other = person(Role.OWNER, project), Project.objects.get(name="Other")
    for model in SCOPED:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for query in ("", "?q=their", f"?q={theirs[model].pk}"):
            page = client.get(reverse(f"{name}_changelist") + query)
            assert page.status_code in {200, 403}, (model, query)
            shown = page.content.decode().replace(query.removeprefix("?q=") or "-", "-")
            assert not [word for word in TOLD if word in shown], (model, query)
        path = site.get_model_admin(model).project_path or "id"
        for lookup in (path, f"{path}__id__exact", f"{path}__exact"):
            answer = client.get(reverse(f"{name}_changelist"), {lookup: str(other.pk)})
            assert answer.status_code in {404, 403} or model in {IncidentResend, Rollup}, (model, lookup)
        assert not [word for word in TOLD if word in client.get(reverse(f"{name}_add")).content.decode()], model
    for model in OTHERS:
        listed = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(listed).status_code == 403, model


def test_search_charts_export_and_autocomplete_tell_nothing_either(theirs, project):
    client, other = person(Role.OWNER, project), Project.objects.get(name="Other")
    assert client.get("/admin/tracking/rollup/", {"project": other.pk}).status_code == 404
    incident = {"since": "2020-01-01", "project": other.pk, "csv": "1"}
    assert client.get("/admin/mail/incidentresend/", incident).status_code == 404
    assert client.get("/admin/mail/incidentresend/", {"since": "2020-01-01", "csv": "1"})["Content-Type"] != "text/csv"
    release = {"since": "2020-01-01", "project": other.pk, "confirmed": "1"}
    assert client.post("/admin/tracking/suppression/bounces/", release).status_code == 404
    assert client.post("/admin/tracking/suppression/import", {"project": other.pk}).status_code == 404
    endpoint = other.endpoints.get()
    answer = client.get("/admin/webhooks/webhookdelivery/", {"endpoint__id__exact": str(endpoint.pk)})
    assert not [word for word in TOLD if word in answer.content.decode()]
    for path in ("/admin/", "/admin/search/?s=their", "/admin/autocomplete/?term=their&app_label=mail"):
        assert not [word for word in ("Their", "theirs") if word in client.get(path).content.decode()]


def test_a_form_takes_no_other_project_and_not_all_of_them(theirs, project):
    client, other = person(Role.OWNER, project), Project.objects.get(name="Other")
    forms = {
        "accounts/stream": {"name": "new", "type": "broadcast"},
        "accounts/apikey": {"name": "new", "scopes": "emails:send"},
        "tracking/suppression": {"address": "new@x.test", "reason": "manual"},
        "mail/pause": {"kind": "tag", "value": "new"},
        "domains/domain": {"name": "new.test"},
        "accounts/membership": {"name": "their-owner", "role": "owner"},
    }
    for path, form in forms.items():
        for given in (str(other.pk), ""):
            answer = client.post(f"/admin/{path}/add/", {**form, "project": given})
            assert (answer.status_code, "error" in answer.content.decode()) == (200, True), (path, given)
    assert not Membership.objects.filter(user__username="their-owner", project=project).exists()
    good = {**forms["accounts/stream"], "project": project.pk}
    assert client.post("/admin/accounts/stream/add/", good).status_code == 302


def test_a_provider_of_one_projects_person_must_be_at_a_public_address(project):
    client = person(Role.OPERATOR, project)
    form = {"project": project.pk, "name": "mine", "priority": 0, "weight": 1, "is_enabled": "on"}
    answer = client.post("/admin/providers/provider/add/?kind=smtp", {**form, "setting_host": "127.0.0.1"})
    assert answer.status_code == 200
    assert not Provider.objects.exists()


def test_settings_that_protect_other_projects_are_not_for_one_projects_people(project):
    client = person(Role.OWNER, project)
    page = reverse("admin:accounts_project_change", args=[project.pk])
    form = {"name": "Renamed", "turn_weight": "100", "may_send_critical": "on", "guard_bounce_percent": ""}
    assert client.post(page, form).status_code == 302
    project.refresh_from_db()
    assert (project.name, project.turn_weight, project.may_send_critical) == ("Renamed", 1, False)
    assert project.guard_bounce_percent == 5


def test_an_action_is_only_for_the_projects_in_which_the_role_allows_it(project, other_project):
    client = person(Role.OPERATOR, project)
    give_role("test", User.objects.get(username="pat"), other_project, Role.DEVELOPER)
    pauses = [Pause.objects.create(project=each, kind="tag", value="a") for each in (project, other_project)]
    chosen = {"action": "resume_selected", "_selected_action": [str(each.pk) for each in pauses]}
    answer = client.post(reverse("admin:mail_pause_changelist"), chosen, follow=True)
    assert "Your role does not allow this in Other." in answer.content.decode()
    assert Pause.objects.filter(ended_at=None).count() == 2
    client.post(reverse("admin:mail_pause_changelist"), {**chosen, "_selected_action": [str(pauses[0].pk)]})
    assert list(Pause.objects.filter(ended_at=None)) == [pauses[1]]


def test_a_buttons_right_is_that_in_the_rows_project(theirs, project):
    client, other = person(Role.OWNER, project), Project.objects.get(name="Other")
    give_role("test", User.objects.get(username="pat"), other, Role.SUPPORT)
    message = theirs[Message]
    assert client.get(reverse("admin:mail_message_change", args=[message.pk])).status_code == 200
    provider, endpoint = theirs[Provider], other.endpoints.get()
    for name, row in (("providers_provider_pause", provider), ("webhooks_endpoint_disable", endpoint)):
        assert client.post(reverse(f"admin:{name}", args=[row.pk])).status_code == 403
    delivery = theirs[WebhookDelivery]
    assert client.post(reverse("admin:webhooks_webhookdelivery_replay", args=[delivery.pk])).status_code == 403
    assert client.post(reverse("admin:accounts_apikey_revoke", args=[other.api_keys.first().pk])).status_code == 404


def test_the_table_grants_what_it_says_in_a_project_and_in_all(project, other_project):
    user = create_user(name="ann", password=None)
    for role in Role:
        for place in (project, None):
            Membership.objects.all().delete()
            give_role("test", user, place, role)
            ann = User.objects.get(pk=user.pk)
            for right in RIGHTS:
                for name in right.permissions:
                    reach = find_reach(ann, name)
                    holds = role in right.roles
                    expected = EVERYWHERE if holds and place is None else NOWHERE
                    if holds and place and not right.is_of_installation:
                        assert (reach.admits(project.pk), reach.admits(other_project.pk), reach.admits(None)) == (
                            (True, False, False)
                        )
                    else:
                        assert reach == expected, (role, place, name)


def test_every_permission_of_the_table_exists_and_the_docs_print_it():
    rows = Permission.objects.select_related("content_type")
    known = {f"{row.content_type.app_label}.{row.codename}" for row in rows}
    assert set(ROLES_IN_INSTALLATION) <= known
    assert build_table() in (ROOT / "docs" / "people.md").read_text("utf-8")


def test_people_without_a_role_see_no_project_and_superusers_all(project, other_project):
    nobody = create_user(name="nobody", password=None)
    assert not visible_projects(nobody)
    give_role("test", nobody, other_project, Role.SUPPORT)
    assert list(visible_projects(nobody)) == [other_project]
    assert not visible_projects(nobody, "accounts.view_apikey")
    User.objects.filter(pk=nobody.pk).update(is_active=False)
    assert not visible_projects(User.objects.get(pk=nobody.pk))
    assert list(visible_projects(User.objects.create_superuser("root"))) == [project, other_project]


def test_an_owner_gives_changes_and_takes_roles(project):
    client = person(Role.OWNER, project)
    ann = create_user(name="ann", password=None)
    add = reverse("admin:accounts_membership_add")
    assert client.post(add, {"name": "ann", "project": project.pk, "role": "support"}).status_code == 302
    row = Membership.objects.get(user=ann)
    page = reverse("admin:accounts_membership_change", args=[row.pk])
    assert client.post(page, {"role": "developer"}).status_code == 302
    assert log_in(User.objects.get(username="ann")).get("/admin/accounts/apikey/").status_code == 200
    client.post(reverse("admin:accounts_membership_delete", args=[row.pk]), {"post": "yes"})
    assert not User.objects.get(username="ann").is_staff
    actions = AuditEntry.objects.filter(object="ann").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["give_role", "give_role", "take_role"]
    assert isinstance(site.get_model_admin(Membership), MembershipAdmin)


def test_a_role_that_ends_takes_access_at_once(project):
    client = person(Role.SUPPORT, project)
    assert client.get("/admin/mail/message/").status_code == 200
    take_role("test", Membership.objects.get())
    assert client.get("/admin/mail/message/").status_code == 302
    assert Notice.objects.count() == 0
