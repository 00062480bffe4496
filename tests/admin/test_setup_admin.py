"""Projects, keys, providers, periodic tasks and users in the admin."""

from urllib.parse import quote

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from unfold.admin import ModelAdmin

from accounts.models import ApiKey, AuditEntry, Notice, Project
from accounts.services import authenticate_token, write_notice
from providers import bounce_mailboxes
from providers.admin_form import FORM_KINDS
from providers.models import BounceMailbox, Provider
from providers.routing.selection import routes
from providers.services import count_unknown_events
from tests.admin.people import log_in
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
KEY_ADD, PROVIDER_ADD = reverse("admin:accounts_apikey_add"), reverse("admin:providers_provider_add")


def find_token(html: str) -> str:
    return html.split('id="new-key">')[1].split("<")[0]


def add_key(client, of, **values):
    form = {"project": of.pk, "name": "shop", "scopes": ["emails:send", "emails:read"], **values}
    return client.post(KEY_ADD, form)


def test_everything_has_the_same_look():
    assert [model for model, shown in site._registry.items() if not isinstance(shown, ModelAdmin)] == []


def test_every_page_passes_djangos_checks():
    assert [error for shown in site._registry.values() for error in shown.check()] == []


@pytest.mark.parametrize("model", sorted(site._registry, key=lambda model: model._meta.label), ids=str)
def test_every_list_and_form_opens(root, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert root.get(reverse(f"{name}_changelist")).status_code == 200
    if site.get_model_admin(model).has_add_permission(root.get(reverse("admin:index")).wsgi_request):
        assert root.get(reverse(f"{name}_add")).status_code == 200


def test_a_key_is_made_and_shown_exactly_once(root, project):
    limits = {"allowed_ips": "192.0.2.1\n2001:db8::/32", "allowed_recipients": "*@a.test"}
    answer = add_key(root, project, **limits)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    token = find_token(answer.content.decode())
    key = ApiKey.objects.get()
    assert (key.project, key.name, key.scopes) == (project, "shop", ["emails:read", "emails:send"])
    assert (key.allowed_ips, key.allowed_recipients) == (["192.0.2.1/32", "2001:db8::/32"], ["*@a.test"])
    for page in (
        reverse("admin:accounts_apikey_changelist"),
        reverse("admin:accounts_apikey_change", args=[key.pk]),
        reverse("admin:accounts_auditentry_changelist"),
        reverse("admin:index"),
    ):
        assert token not in root.get(page).content.decode()
    assert all(token not in str(session.get_decoded()) for session in Session.objects.all())
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("root", "create_api_key")
    assert token not in str(entry.data)


def test_a_key_made_here_works(root, project):
    token = find_token(add_key(root, project).content.decode())
    assert authenticate_token(token, None).project == project


@pytest.mark.parametrize(
    "values",
    [
        {"scopes": ["emails:raed"]},
        {"scopes": []},
        {"allowed_ips": "here"},
        {"allowed_recipients": "*"},
        {"project": ""},
        {"expires_at_0": "nonsense"},
    ],
)
def test_a_wrong_key_is_refused_in_the_form(root, project, values):
    answer = add_key(root, project, **values)
    assert (answer.status_code, "new-key" in answer.content.decode()) == (200, False)
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_by_a_button_and_never_changed(root, project):
    add_key(root, project)
    key = ApiKey.objects.get()
    address = reverse("admin:accounts_apikey_change", args=[key.pk])
    revoke = reverse("admin:accounts_apikey_revoke", args=[key.pk])
    assert revoke in root.get(address).content.decode()
    assert root.get(revoke).status_code == 405
    assert root.post(address, {"name": "evil", "scopes": "x"}).status_code == 403
    assert root.post(revoke).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert key.name == "shop"
    assert revoke not in root.get(address).content.decode()
    assert AuditEntry.objects.filter(action="revoke_api_key", actor="root").exists()


def test_a_project_is_added_checked_and_never_deleted(root):
    add = reverse("admin:accounts_project_add")
    form = {"name": "Acme", "default_from": "Shop <shop@acme.test>", "contact_email": "ops@ACME.test"}
    assert root.post(add, form).status_code == 302
    project = Project.objects.get()
    assert (project.default_from, project.contact_email) == ("Shop <shop@acme.test>", "ops@acme.test")
    for wrong in (
        {"name": ""},
        {"name": "Acme"},
        {"name": "B", "contact_email": "x"},
        {"name": "C", "default_from": "x"},
    ):
        assert root.post(add, {**form, **wrong}).status_code == 200
    assert Project.objects.count() == 1
    assert root.post(reverse("admin:accounts_project_delete", args=[project.pk]), {"post": "yes"}).status_code == 403


def provider_form(**values):
    return {"name": "relay", "priority": "0", "weight": "1", "is_enabled": "on", **values}


def add_page(kind):
    return f"{PROVIDER_ADD}?kind={kind}"


RELAY = {"setting_host": "relay.test", "setting_port": "587", "setting_username": "me", "setting_password": "s3cret"}


def test_a_provider_is_added_by_its_kind_and_keeps_what_is_not_entered_again(root, project):
    form = provider_form(project=project.pk, **RELAY)
    assert root.post(add_page("smtp"), form).status_code == 302
    provider = Provider.objects.get()
    assert (provider.kind, provider.settings) == ("smtp", settings_of("smtp://me:s3cret@relay.test:587"))
    assert provider.is_operated
    assert routes.find_providers(project.pk)[0]
    address = reverse("admin:providers_provider_change", args=[provider.pk])
    page = root.get(address).content.decode()
    assert 'value="relay.test"' in page
    assert "s3cret" not in page
    shown = {"setting_host": "relay.test", "setting_port": "587"}
    assert root.post(address, provider_form(weight="5", **shown)).status_code == 302
    provider.refresh_from_db()
    assert (provider.settings, provider.weight) == (settings_of("smtp://me:s3cret@relay.test:587"), 5)
    assert (
        root.post(address, provider_form(**shown | {"setting_port": "25", "setting_tls": "starttls"})).status_code
        == 302
    )
    provider.refresh_from_db()
    assert provider.settings == settings_of("smtp://me:s3cret@relay.test:25?tls=starttls")
    gone = shown | {"setting_username": "-", "setting_password": "-"}
    assert root.post(address, provider_form(**gone)).status_code == 302
    provider.refresh_from_db()
    assert provider.settings == settings_of("smtp://relay.test:587")
    assert "s3cret" not in str([entry.data for entry in AuditEntry.objects.all()])


def test_the_kind_of_a_provider_is_chosen_first_and_every_kind_has_a_form(root):
    page = root.get(PROVIDER_ADD).content.decode()
    for kind in FORM_KINDS:
        assert f"?kind={quote(kind.write())}" in page
        form = root.get(add_page(kind.write())).content.decode()
        assert all(f'name="setting_{name}"' in form for name in kind.names)
    assert "esp%3Apostmark" in page
    assert "By which way" in root.post(PROVIDER_ADD, provider_form()).content.decode()
    assert "By which way" in root.get(add_page("pigeon")).content.decode()
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("kind", "wrong", "told"),
    [
        ("smtp", {}, "A host is missing."),
        ("smtp", {**RELAY, "setting_host": "x?ca=/proc/self/fd/6"}, "The host must be a name"),
        ("smtp", {**RELAY, "setting_username": ""}, "A password requires a user name."),
        ("smtp", {**RELAY, "setting_tls": "perhaps"}, "Select a valid choice."),
        ("esp:postmark", {"setting_api_url": "https://api.test"}, "Postmark requires server_token."),
        ("simulator", {"weight": "0"}, "Must be above 0."),
        ("simulator", {"rate_limit": "-1"}, "Must be above 0."),
    ],
)
def test_a_wrong_provider_is_refused_at_its_field_without_repeating_its_password(root, kind, wrong, told):
    answer = root.post(add_page(kind), provider_form(**wrong))
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert "s3cret" not in answer.content.decode()
    assert not Provider.objects.exists()


def test_a_provider_that_cannot_be_read_is_entered_again(root, project):
    provider = Provider.objects.create(project=project, name="relay", kind="smtp", settings=None)
    address = reverse("admin:providers_provider_change", args=[provider.pk])
    assert "The stored settings cannot be read." in root.get(address).content.decode()
    assert root.post(address, provider_form(**RELAY)).status_code == 302
    provider.refresh_from_db()
    assert provider.settings == settings_of("smtp://me:s3cret@relay.test:587")


def test_two_providers_of_a_project_need_two_names(root, project):
    form = provider_form(project=project.pk)
    assert [root.post(add_page("simulator"), form).status_code for _ in range(2)] == [302, 200]
    assert root.post(add_page("simulator"), provider_form()).status_code == 302
    assert Provider.objects.count() == 2


def test_the_provider_of_the_environment_is_left_to_it(root):
    provider = Provider.objects.create(name="default", kind="simulator", settings=settings_of("simulator:"))
    for name in ("change", "delete"):
        address = reverse(f"admin:providers_provider_{name}", args=[provider.pk])
        assert root.post(address, provider_form()).status_code == 403


def test_a_provider_is_tested_from_its_page_and_from_the_list(root, project):
    with SmtpServer() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=never"
        provider = Provider.objects.create(project=project, name="a", kind="smtp", settings=settings_of(url))
        page = reverse("admin:providers_provider_change", args=[provider.pk])
        button = reverse("admin:providers_provider_test", args=[provider.pk])
        assert button in root.get(page).content.decode()
        assert "The provider accepts mail: accepted EHLO" in root.post(button, follow=True).content.decode()
    assert "The provider does not accept mail: connect: " in root.post(button, follow=True).content.decode()
    chosen = {"action": "ask", "_selected_action": [str(provider.pk)]}
    answer = root.post(reverse("admin:providers_provider_changelist"), chosen, follow=True)
    assert "a: The provider does not accept mail" in answer.content.decode()
    assert root.get(button).status_code == 405
    assert [entry.data["ok"] for entry in AuditEntry.objects.filter(action="check_provider")] == [False, False, True]


def test_the_page_of_a_provider_asks_it_once_it_is_shown(root, sue, project):
    with SmtpServer() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=never"
        provider = Provider.objects.create(project=project, name="a", kind="smtp", settings=settings_of(url))
        health = reverse("admin:providers_provider_health", args=[provider.pk])
        page = root.get(reverse("admin:providers_provider_change", args=[provider.pk])).content.decode()
        assert f'data-url="{health}"' in page
        assert "providers/health.js" in page
        assert ("Bounce mailbox" in page, "(&#x27;ok&#x27;" in page) == (True, False)
        assert server.connection_count == 0
        assert root.get(health).json()["state"] == "ok"
    # Half a minute is not asked again; a change is.
    assert sue.get(health).json()["state"] == "ok"
    provider.save(update_fields=["updated_at"])
    found = root.get(health).json()
    assert (found["state"], found["text"][:32]) == ("failed", "It does not accept mail: connect")
    assert root.post(health).status_code == 405
    assert Client().get(health).status_code == 302
    assert log_in(User.objects.create_user("eve", is_staff=True)).get(health).status_code == 404


def test_the_page_of_a_paused_provider_begins_with_the_pause(root, project):
    made = settings_of("smtp://relay.test")
    provider = Provider.objects.create(project=project, name="a", kind="smtp", settings=made, is_paused=True)
    Provider.objects.filter(pk=provider.pk).update(pause_reason="moving")
    page, well = reverse("admin:providers_provider_change", args=[provider.pk]), "<strong>State</strong>"
    assert f"{well} <span>Paused: moving</span>" in root.get(page).content.decode()
    Provider.objects.filter(pk=provider.pk).update(is_paused=False)
    assert well not in root.get(page).content.decode()


def test_a_bounce_mailbox_is_entered_in_parts_opened_and_removed(root, closed_port, monkeypatch):
    parts = {"protocol": "imaps", "host": "127.0.0.1", "port": str(closed_port), "folder": "", "keep": "yes"}
    shown = {f"mailbox_{name}": value for name, value in parts.items()}
    form = provider_form(**shown, mailbox_username="u", mailbox_password=" s3cret ")
    answer = root.post(add_page("mx"), form)
    assert (answer.status_code, Provider.objects.count()) == (200, 0)
    assert "No connection" in answer.content.decode()
    assert "s3cret" not in answer.content.decode()
    opened = []
    monkeypatch.setattr(bounce_mailboxes, "check_mailbox", lambda address, is_operated: opened.append(address))
    assert root.post(add_page("mx"), form).status_code == 302
    page = reverse("admin:providers_provider_change", args=[Provider.objects.get().pk])
    html = root.get(page).content.decode()
    assert f"imaps://127.0.0.1:{closed_port}/INBOX" in html
    assert "s3cret" not in html
    shown["mailbox_folder"] = "INBOX"
    # The same parts without a login: nothing is opened. Another folder at the same host keeps the login.
    assert root.post(page, provider_form(**shown)).status_code == 302
    assert len(opened) == 1
    assert root.post(page, provider_form(**shown | {"mailbox_folder": "Bounces"})).status_code == 302
    mailbox = BounceMailbox.objects.get()
    assert (mailbox.folder, mailbox.password, mailbox.is_kept) == ("Bounces", " s3cret ", True)
    for wrong, field, words in (
        ({"mailbox_host": "other.test"}, "mailbox_username", "user name is missing"),
        ({"mailbox_port": "0"}, "mailbox_port", "Must be between 1 and 65535"),
        ({"mailbox_protocol": "pop3s"}, "mailbox_folder", "POP3 has no folders"),
    ):
        refused = root.post(page, provider_form(**shown | wrong))
        assert words in str(refused.context["adminform"].form.errors[field])
    assert root.post(page, provider_form()).status_code == 302
    assert BounceMailbox.objects.count() == 1
    assert root.post(page, provider_form(**shown | {"mailbox_protocol": ""})).status_code == 302
    assert BounceMailbox.objects.count() == 0


def test_the_page_of_an_esp_shows_its_events_of_unknown_types(root):
    provider = Provider.objects.create(name="esp", kind="esp", settings=settings_of("esp://postmark?server_token=t"))
    for _ in range(2):
        count_unknown_events(provider, {"<b>Bold</b>": 3})
    page = root.get(reverse("admin:providers_provider_change", args=[provider.pk])).content.decode()
    assert "&lt;b&gt;Bold&lt;/b&gt; ×6" in page


def test_the_buttons_of_a_provider_are_those_that_make_sense(root, project):
    provider = Provider.objects.create(name="default", kind="simulator", settings=settings_of("simulator:"))
    page = reverse("admin:providers_provider_change", args=[provider.pk])
    names = {name: reverse(f"admin:providers_provider_{name}", args=[provider.pk]) for name in ("pause", "resume")}
    for pressed, shown in (("pause", "resume"), ("resume", "pause")):
        shown_page = root.post(names[pressed], follow=True).content.decode()
        assert names[shown] in shown_page
        assert names[pressed] not in shown_page
    assert page in root.post(names["pause"])["Location"]


def test_support_looks_at_providers_and_has_no_buttons(sue, project):
    provider = Provider.objects.create(project=project, name="a", kind="simulator", settings=settings_of("simulator:"))
    button = reverse("admin:providers_provider_test", args=[provider.pk])
    page = sue.get(reverse("admin:providers_provider_change", args=[provider.pk]))
    assert (page.status_code, button in page.content.decode()) == (200, False)
    assert sue.post(button).status_code == 403


def test_a_provider_is_paused_and_resumed(root, project):
    provider = Provider.objects.create(project=project, name="a", kind="simulator", settings=settings_of("simulator:"))
    address = reverse("admin:providers_provider_changelist")
    chosen = {"_selected_action": [str(provider.pk)]}
    root.post(address, {"action": "pause", **chosen})
    provider.refresh_from_db()
    assert provider.is_paused
    assert "Paused by root." in root.get(address).content.decode()
    root.post(address, {"action": "resume", **chosen})
    provider.refresh_from_db()
    assert not provider.is_paused


def test_a_periodic_task_is_edited(root):
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    task = PeriodicTask.objects.create(name="tick", task="mail.tick", interval=every)
    address = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    html = root.get(address).content.decode()
    assert "mail.tick" in html
    form = {"name": "tick", "task": "mail.tick", "regtask": "", "interval": every.pk, "args": "[]", "kwargs": "{}"}
    assert root.post(address, {**form, "headers": "{}"}).status_code == 302
    task.refresh_from_db()
    assert not task.enabled


def test_users_need_a_strong_password(root):
    add = reverse("admin:auth_user_add")
    form = {"username": "ann", "usable_password": "true"}
    assert root.post(add, {**form, "password1": "12345", "password2": "12345"}).status_code == 200
    assert not User.objects.filter(username="ann").exists()
    long = "a long enough phrase"
    assert root.post(add, {**form, "password1": long, "password2": long}).status_code == 302
    assert User.objects.get(username="ann").check_password(long)


def test_notices_are_marked_as_read(root, project):
    notice = write_notice(project, kind="domain_failing", text="A record is gone.")
    address = reverse("admin:accounts_notice_changelist")
    assert "A record is gone." in root.get(address).content.decode()
    root.post(address, {"action": "mark_read", "_selected_action": [str(notice.pk)]})
    assert Notice.objects.get().read_at is not None


def test_a_provider_is_asked_whether_it_would_take_mail(root, project):
    provider = Provider.objects.create(project=project, name="a", kind="simulator", settings=settings_of("simulator:"))
    chosen = {"_selected_action": [str(provider.pk)], "action": "ask"}
    answer = root.post(reverse("admin:providers_provider_changelist"), chosen, follow=True)
    assert "takes everything" in answer.content.decode()
    assert AuditEntry.objects.filter(action="check_provider").exists()


def test_an_esp_shows_its_event_url_to_users_who_may_change_it(root, sue, project):
    form = provider_form(project=project.pk, setting_server_token="hidden-token")
    assert root.post(add_page("esp:postmark"), form).status_code == 302
    provider = Provider.objects.get()
    address = reverse("admin:providers_provider_change", args=[provider.pk])
    shown, seen = root.get(address).content.decode(), sue.get(address).content.decode()
    assert f"/feedback/{provider.pk}/{provider.event_secret}" in shown
    assert provider.event_secret not in seen
    assert "hidden-token" not in shown + seen
