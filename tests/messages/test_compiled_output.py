"""The compiled output of an email equals that of its serializer."""

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from common.times import format_time
from messages.api.compiled_output import CompiledOutput
from messages.api.responses import ROW, SHOW_ROW, EmailOutput
from messages.selectors import find_detailed
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
PLAIN = {"from_": "Shop <shop@mine.test>", "to": "a@x.test", "subject": "Hi é <b>", "text": "Hello."}
FULL = {
    **PLAIN,
    "to": ["a@x.test", '"Doe, Jo" <jo@x.test>'],
    "cc": "c@x.test",
    "reply_to": "r@x.test",
    "html": "<p>x</p>",
    "headers": {"X-One": "1"},
    "tags": ["a"],
    "metadata": {"k": "v"},
    "scheduled_at": format_time(timezone.now() + timedelta(days=1)),
    "attachments": [{"filename": "a", "content_type": "text/plain", "content_b64": b64encode(b"x").decode()}],
}


@pytest.mark.parametrize("body", [PLAIN, FULL], ids=["plain", "full"])
def test_both_show_the_same(api: ApiClient, project: Any, body: dict[str, Any]) -> None:
    pk = api.post("/emails", body).json()["id"]
    message = find_detailed(project.messages.all(), pk)
    expected = ROW.to_representation(message)
    assert SHOW_ROW(message) == expected
    assert json.loads(msgspec.json.encode(SHOW_ROW(message))) == json.loads(JSONRenderer().render(expected))
    whole = EmailOutput()
    assert CompiledOutput(whole)(message) == whole.to_representation(message)
