"""The admin's pages on endpoints and their log, as a browser without scripts would use them."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Project
from tests.admin.people import superuser, support
from tests.webhooks.receiver import Answer, Receiver
from webhooks import services
from webhooks.models import Endpoint, WebhookDelivery

pytestmark = pytest.mark.django_db
LIST = reverse("admin:webhooks_endpoint_changelist")
ADD = reverse("admin:webhooks_endpoint_add")
LOG = reverse("admin:webhooks_webhookdelivery_changelist")


@pytest.fixture
def root() -> Client:
    return superuser()


@pytest.fixture
def sue() -> Client:
    return support()


def url(name: str, *args: object) -> str:
    return reverse(f"admin:webhooks_{name}", args=args)


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def secrets_in(html: str) -> list[str]:
    return re.findall(r"whsec_[A-Za-z0-9+/=]{8,}", html)


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def form(owner: Project, **changed: object) -> dict[str, object]:
    return {"project": str(owner.pk), "url": "https://93.184.215.14/hook", "events": ["*"], **changed}


def test_a_new_endpoint_shows_its_secret_once(root: Client, project: Project):
    answer = root.post(ADD, form(project, description="billing", events=["email.bounced", "email.failed"]))
    assert answer.status_code == 200
    endpoint = Endpoint.objects.get()
    assert secrets_in(answer.content.decode()) == [endpoint.secret]
    # The page says where to read on, and that place is there.
    assert 'href="/docs/webhooks#verify-a-post"' in answer.content.decode()
    assert 'id="verify-a-post"' in page(Client(), "/docs/webhooks")
    assert (endpoint.url, endpoint.description) == ("https://93.184.215.14/hook", "billing")
    assert endpoint.events == ["email.bounced", "email.failed"]
    assert actions() == ["add_webhook"]
    for address in (LIST, url("endpoint_change", endpoint.pk), url("endpoint_history", endpoint.pk)):
        assert not secrets_in(page(root, address))


def test_other_processes_can_see_it_when_the_answer_comes(
    root: Client, project: Project, monkeypatch, django_capture_on_commit_callbacks
):
    seen = []
    monkeypatch.setattr(services, "wait_until_known", lambda: seen.append(connection.savepoint_ids))
    with django_capture_on_commit_callbacks(execute=True):
        root.post(ADD, form(project))
        assert seen == []
    # It waits after the commit: beside the test's own, no transaction is open then.
    assert seen == [[]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"url": "http://127.0.0.2/"}, "is not at a public address"),
        ({"url": "http://2130706433/"}, "four decimal numbers"),
        ({"url": "ftp://example.test/"}, "http://"),
        ({"events": ["email.lost"]}, "email.lost"),
        ({"events": []}, "required"),
        ({"project": ""}, "required"),
    ],
    ids=repr,
)
def test_input_that_the_api_rejects_is_rejected(root: Client, project: Project, settings, changed, words):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    assert words in root.post(ADD, form(project, **changed)).content.decode()
    assert not Endpoint.objects.exists()


def test_a_project_has_so_many_endpoints(root: Client, project: Project, monkeypatch):
    monkeypatch.setattr("webhooks.admin.forms.MAX_ENDPOINTS", 1)
    root.post(ADD, form(project))
    assert "at most 50" in root.post(ADD, form(project)).content.decode()
    assert Endpoint.objects.count() == 1


def test_an_endpoint_is_changed_and_keeps_its_project_and_secret(root: Client, endpoint: Endpoint, other_project):
    secret = endpoint.secret
    values = form(other_project, url="https://93.184.215.15/", events=["email.sent"])
    assert root.post(url("endpoint_change", endpoint.pk), values).status_code == 302
    changed = Endpoint.objects.get()
    assert (changed.url, changed.events) == ("https://93.184.215.15/", ["email.sent"])
    assert (changed.project_id, changed.secret) == (endpoint.project_id, secret)


def test_a_rotation_shows_the_new_secret_and_keeps_the_old_one_for_a_day(root: Client, endpoint: Endpoint):
    old = endpoint.secret
    answer = root.post(url("endpoint_rotate", endpoint.pk))
    rotated = Endpoint.objects.get()
    assert secrets_in(answer.content.decode()) == [rotated.secret]
    assert (rotated.secret != old, rotated.retired_secrets.get().secret) == (True, old)
    assert not secrets_in(page(root, url("endpoint_change", endpoint.pk)))


def test_a_test_event_is_posted_and_its_response_is_on_the_page(
    root: Client, endpoint: Endpoint, receiver: Receiver, post: Callable[..., None]
):
    receiver.answers = [Answer(503, body=b"<script>alert(1)</script>")]
    assert root.post(url("endpoint_test", endpoint.pk)).status_code == 302
    post()
    html = page(root, url("endpoint_change", endpoint.pk))
    assert "webhook.test" in html
    assert re.search(r"503 after \d+ ms", html)
    assert "failing" in html
    delivery = WebhookDelivery.objects.get()
    html = page(root, url("webhookdelivery_change", delivery.pk))
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert str(delivery.event_id) in html
    assert "If its signature verifies" in html


def test_the_list_shows_the_health_of_each_endpoint(
    root: Client, endpoint: Endpoint, receiver: Receiver, happen: Callable[..., UUID], post: Callable[..., None]
):
    receiver.answers = [Answer(), Answer(500)]
    for _ in range(2):
        happen()
        post()
    failed = Endpoint.objects.get()
    assert failed.last_success_at <= failed.failing_since == failed.last_failure_at
    html = page(root, LIST)
    assert (endpoint.url in html, "failing" in html) == (True, True)


def test_a_busy_endpoints_row_is_not_written_with_every_success(
    endpoint: Endpoint, happen: Callable[..., UUID], post: Callable[..., None]
):
    long_ago, just_now = timezone.now() - timedelta(seconds=60), timezone.now() - timedelta(seconds=5)
    for before, is_written in ((None, True), (long_ago, True), (just_now, False)):
        Endpoint.objects.update(last_success_at=before)
        happen()
        post()
        assert (Endpoint.objects.get().last_success_at != before) is is_written


def test_an_endpoint_is_disabled_and_enabled(root: Client, endpoint: Endpoint):
    root.post(url("endpoint_disable", endpoint.pk))
    assert Endpoint.objects.get().status == "disabled"
    html = page(root, url("endpoint_change", endpoint.pk))
    assert "Disabled by its owner." in html
    answer = root.post(url("endpoint_test", endpoint.pk), follow=True)
    assert "Set its status to enabled first" in answer.content.decode()
    root.post(url("endpoint_enable", endpoint.pk))
    assert Endpoint.objects.get().status == "enabled"
    assert actions() == ["change_webhook", "change_webhook"]


def test_all_that_failed_or_one_delivery_is_posted_again(
    root: Client,
    endpoint: Endpoint,
    receiver: Receiver,
    happen: Callable[..., UUID],
    post: Callable[..., None],
    settings,
):
    settings.WEBHOOK_WAITS = []
    receiver.answers = [Answer(500), Answer(500), Answer()]
    for _ in range(2):
        happen()
        post()
    answer = root.post(url("endpoint_replay", endpoint.pk), {"reach": "hour"}, follow=True)
    assert "2 failed deliveries are queued again" in answer.content.decode()
    post()
    assert {row.status for row in WebhookDelivery.objects.all()} == {"delivered"}
    first = WebhookDelivery.objects.first()
    root.post(url("webhookdelivery_replay", first.pk))
    post()
    assert len(receiver.requests) == 5
    assert actions() == ["replay_webhook", "replay_webhook"]


def test_the_log_is_narrowed_searched_by_event_and_never_counted(
    root: Client, endpoint: Endpoint, happen: Callable[..., UUID]
):
    for _ in range(3):
        happen()
    row = WebhookDelivery.objects.order_by("id")[1]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        html = page(root, f"{LOG}?endpoint__id__exact={endpoint.pk}&status__exact=pending")
    assert html.count("email.delivered") >= 3
    assert not [query for query in queries if "COUNT" in query["sql"] and "webhookdelivery" in query["sql"]]
    html = page(root, f"{LOG}?q={row.event_id}")
    assert url("webhookdelivery_change", row.pk) in html
    assert len(set(re.findall(r"webhookdelivery/[0-9a-f-]{36}/", html))) == 1
    assert not re.findall(r"webhookdelivery/[0-9a-f-]{36}/", page(root, f"{LOG}?q=nothing"))


def test_a_removed_endpoints_log_is_not_listed_before_it_goes(root: Client, endpoint: Endpoint, happen):
    happen()
    row = WebhookDelivery.objects.get()
    assert str(row.pk) not in page(root, url("endpoint_delete", endpoint.pk))
    assert root.post(url("endpoint_delete", endpoint.pk), {"post": "yes"}).status_code == 302
    assert not Endpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert actions() == ["remove_webhook"]


def test_support_looks_and_does_nothing(sue: Client, endpoint: Endpoint, happen: Callable[..., UUID]):
    happen()
    row = WebhookDelivery.objects.get()
    for address in (LIST, LOG, url("endpoint_change", endpoint.pk), url("webhookdelivery_change", row.pk)):
        html = page(sue, address)
        assert not secrets_in(html)
        assert "/rotate/" not in html
        assert "/replay/" not in html
    before = Endpoint.objects.values().get()
    for name in ("test", "rotate", "enable", "disable", "replay"):
        assert sue.post(url(f"endpoint_{name}", endpoint.pk)).status_code == 403
    assert sue.post(url("webhookdelivery_replay", row.pk)).status_code == 403
    assert Endpoint.objects.values().get() == before
    assert WebhookDelivery.objects.count() == 1


def test_buttons_act_on_post_only_and_on_what_there_is(root: Client, endpoint: Endpoint):
    for name in ("test", "rotate", "enable", "disable", "replay"):
        assert root.get(url(f"endpoint_{name}", endpoint.pk)).status_code == 405
        assert root.post(url(f"endpoint_{name}", uuid4())).status_code == 404
    assert root.post(url("webhookdelivery_change", uuid4())).status_code == 403
    assert root.get(url("webhookdelivery_change", uuid4())).status_code == 404
    assert Endpoint.objects.get().secret == endpoint.secret


def test_a_post_without_the_forms_token_is_refused(project: Project, endpoint: Endpoint):
    client = superuser()
    client.handler.enforce_csrf_checks = True
    for address in (ADD, url("endpoint_change", endpoint.pk), url("endpoint_rotate", endpoint.pk)):
        assert client.post(address, form(project)).status_code == 403
    assert Endpoint.objects.count() == 1


def test_every_file_of_the_pages_is_there():
    assert finders.find("webhooks/admin.css")
