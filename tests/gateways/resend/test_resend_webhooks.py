"""Webhook endpoints at Resend's door, by resend-python itself."""

from typing import Any

import pytest
import resend

from tests.gateways.resend.conftest import BASE, refused
from webhooks.models import Endpoint, Format

pytestmark = pytest.mark.django_db

URL = "https://93.184.215.14/hook"


@pytest.fixture
def hook(sdk: None) -> Any:
    return resend.Webhooks.create({"endpoint": URL, "events": ["email.delivery_delayed", "email.sent"]})


def test_an_endpoint_gets_resends_form_and_its_secret_once(hook):
    endpoint = Endpoint.objects.get()
    assert (endpoint.format, sorted(endpoint.events)) == (Format.RESEND, ["email.delivering", "email.sent"])
    assert hook["signing_secret"] == endpoint.secret
    shown: Any = resend.Webhooks.get(hook["id"])
    assert (shown["endpoint"], shown["status"], shown["signing_secret"]) == (URL, "enabled", None)
    assert sorted(shown["events"]) == ["email.delivery_delayed", "email.sent"]


def test_an_endpoint_is_changed_listed_rotated_and_removed(hook, api):
    api.post("/webhooks", {"url": URL, "events": ["*"]})
    resend.Webhooks.update({"webhook_id": hook["id"], "status": "disabled", "events": ["email.opened"]})
    [row] = resend.Webhooks.list()["data"]
    assert (row["id"], row["status"], row["events"]) == (hook["id"], "disabled", ["email.opened"])
    rotated: Any = resend.Webhooks.rotate_signing_secret(hook["id"])
    assert rotated["signing_secret"] not in ("", hook["signing_secret"])
    assert resend.Webhooks.remove(hook["id"])["deleted"] is True
    assert Endpoint.objects.get().format == Format.STANDARD


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"events": ["contact.created"]}, "events[0]"),
        ({"events": []}, "events"),
        ({"endpoint": "http://127.0.0.1/"}, "endpoint"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_wrong_field_is_named(api, fields, named):
    answer = api.post(f"{BASE}/webhooks", {"endpoint": URL, "events": ["email.sent"], **fields})
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
    assert named in answer.json()["message"]


def test_anothers_endpoint_does_not_exist(hook, other_api, use_sdk):
    use_sdk(other_api)
    for call in (
        lambda: resend.Webhooks.get(hook["id"]),
        lambda: resend.Webhooks.update({"webhook_id": hook["id"], "status": "disabled"}),
        lambda: resend.Webhooks.remove(hook["id"]),
        lambda: resend.Webhooks.rotate_signing_secret(hook["id"]),
    ):
        assert refused(call) == ("not_found", 404)
