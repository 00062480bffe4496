"""pytest fixtures; pytest finds them when the package is installed."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from emailsvc_client.configuration import KEY, defaults
from emailsvc_client.configuration import URL as URL_SETTING
from emailsvc_client.testing.outbox import KEY as OUTBOX_KEY
from emailsvc_client.testing.outbox import URL, Outbox
from emailsvc_client.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"the secret of the tests").decode()


@pytest.fixture
def emailsvc_outbox(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """Every client of this test sends into this outbox; `emailsvc_outbox.emails` are what it got."""
    outbox = Outbox()
    monkeypatch.setenv(URL_SETTING, URL)
    monkeypatch.setenv(KEY, OUTBOX_KEY)
    monkeypatch.setattr(defaults, "transport", outbox.transport)
    return outbox


@pytest.fixture
def emailsvc_webhook() -> Callable[..., tuple[bytes, dict[str, str]]]:
    """Makes a post as the service would: `body, headers = emailsvc_webhook("email.bounced", recipient="jo@x.test")`.

    It is signed by `emailsvc_client.testing.fixtures.SECRET`, or by the secret that is given.
    """

    def make(type: str, *, secret: str = SECRET, **data: Any) -> tuple[bytes, dict[str, str]]:
        usual = {
            "email_id": str(uuid4()),
            "recipient": None,
            "status": type.removeprefix("email."),
            "seq": 1,
            "test": True,
        }
        event = {"type": type, "timestamp": datetime.now(UTC).isoformat(), "data": {**usual, **data}}
        body = json.dumps(event).encode()
        return body, {"Content-Type": "application/json", **Webhook(secret).sign(body, str(uuid4()))}

    return make
