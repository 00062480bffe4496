"""An agent's mail: tried out, sent, then held until a person has seen its bytes and approved them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import Client as Browser
from emailsvc_client.configuration import Account, defaults
from emailsvc_client.mcp_server.server import build_server
from mcp import Client

from accounts.models import Project
from accounts.services import create_api_key
from messages.models import Message
from tests.clients.conftest import URL, lead_to_django
from tests.messages.conftest import _fresh_process, deliver, inbox
from tests.smtp_server import SmtpServer

__all__ = ["_fresh_process", "deliver", "inbox"]
pytestmark = pytest.mark.django_db

EMAIL = {"from_": "shop@mine.test", "to": ["jo@rcpt.test"], "subject": "Your order", "text": "It is on its way."}


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Calls a tool with a key, by the official SDK's client."""
    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(sync_to_async(lead_to_django)))

    async def run(key: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        async with Client(build_server(lambda _context: Account(url=URL, api_key=key))) as client:
            result = await client.call_tool(name, arguments)
            assert not result.is_error, result.content
            return dict(result.structured_content or {})

    return lambda key, name, **arguments: async_to_sync(run)(key, name, arguments)


def test_an_agent_sends_and_a_person_approves(
    call: Callable[..., dict[str, Any]],
    project: Project,
    inbox: SmtpServer,
    deliver: Callable[[], None],
    admin_client: Browser,
) -> None:
    scopes = ["emails:send", "emails:read"]
    _, free = create_api_key(project, scopes=scopes)
    told = call(free, "send_email", **EMAIL)
    assert (told["sent"], told["dry_run"]["recipients"][0]["decision"]) == (False, "queued")
    deliver()
    assert not Message.objects.exists()
    sent = call(free, "send_email", **EMAIL, dry_run=False)["email"]
    deliver()
    assert call(free, "get_email", email_id=sent["id"])["status"] == "delivered"

    _, held = create_api_key(project, scopes=scopes, hold_for_approval=True, allowed_recipients=["*@rcpt.test"])
    assert call(held, "send_email", **EMAIL)["dry_run"]["recipients"][0]["reason"] == "approval"
    result = call(held, "send_email", **EMAIL, dry_run=False)
    assert (result["email"]["status_reason"], "approves" in result["note"]) == ("approval", True)
    deliver()
    assert len(inbox.mails) == 1
    pk = result["email"]["id"]
    assert "person approves" in call(held, "explain_email", email_id=pk)["why"]
    seen = admin_client.get(f"/admin/mail/message/{pk}/raw/").content
    admin_client.post(f"/admin/mail/message/{pk}/approve/", {"ticket": "one"})
    deliver()
    assert inbox.mails[1].content == seen
    assert call(held, "get_email", email_id=pk)["status"] == "delivered"
