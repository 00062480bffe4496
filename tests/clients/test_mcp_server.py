"""The MCP server, called by the official SDK's own client: in this process, over stdio and over HTTP."""

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from emailsvc_client.cli import agent_commands
from emailsvc_client.cli.main import main
from emailsvc_client.configuration import Account, defaults
from emailsvc_client.mcp_server.http_server import KeyGate, build_app
from emailsvc_client.mcp_server.server import build_server
from emailsvc_client.testing.outbox import Outbox
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.clients.conftest import URL, lead_to_django

ROOT = Path(__file__).resolve().parents[2]
EMAIL = {"from_": "shop@mine.test", "to": ["one@rcpt.test"], "subject": "Hi", "text": "Hello."}
TOOLS = {
    "send_email",
    "find_emails",
    "get_email",
    "explain_email",
    "get_stats",
    "list_suppressions",
    "list_templates",
}
Call = Callable[..., Awaitable[dict[str, Any]]]


def use(server: Any, work: Callable[[Call], Awaitable[None]]) -> None:
    """Run `work` with a function that calls a tool: its structured result, or {"error": …}."""

    async def run() -> None:
        async with Client(server) as client:

            async def call(name: str, **arguments: Any) -> dict[str, Any]:
                result = await client.call_tool(name, arguments)
                if result.is_error:
                    return {"error": result.content[0].text}
                assert result.structured_content is not None
                return result.structured_content

            await work(call)

    async_to_sync(run)()


def serve(key: str = "es_test_k") -> Any:
    return build_server(lambda _context: Account(url=URL, api_key=key))


@pytest.fixture
def service(in_process: None, api: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server whose tools reach the service of this process, on the test's own connection to the database."""
    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(sync_to_async(lead_to_django)))
    return serve(api.token)


def test_every_tool_has_typed_arguments_and_results() -> None:
    async def list_tools() -> dict[str, Any]:
        async with Client(serve()) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    tools = asyncio.run(list_tools())
    assert tools.keys() == TOOLS
    for name, tool in tools.items():
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema["properties"]
        assert tool.annotations.read_only_hint is (name != "send_email")
    assert tools["send_email"].input_schema["required"] == ["to"]
    assert tools["send_email"].input_schema["properties"]["dry_run"]["default"] is True


def test_an_email_is_sent_only_when_that_is_asked_for(emailsvc_outbox: Outbox) -> None:
    async def work(call: Call) -> None:
        told = await call("send_email", **EMAIL)
        assert (told["sent"], told["email"]) == (False, None)
        assert told["dry_run"]["recipients"][0]["address"] == "one@rcpt.test"
        assert emailsvc_outbox.emails == []
        body = {**EMAIL, "text": '{"looks": "like JSON"}', "metadata": {"order": "7"}, "idempotency_key": "a"}
        file = {"filename": "a.txt", "content_type": "text/plain", "content_b64": "eA=="}
        for _ in range(2):
            await call("send_email", **body, attachments=[file], dry_run=False)
        (email,) = emailsvc_outbox.emails
        assert (email["text"], email["metadata"], email["attachments"]) == (body["text"], {"order": "7"}, [file])
        assert "scheduled_at" not in email

    use(serve(), work)


def test_an_error_names_the_field(emailsvc_outbox: Outbox) -> None:
    async def work(call: Call) -> None:
        for name, arguments, named in (
            ("send_email", {**EMAIL, "to": ["one@rcpt.test", "none"], "dry_run": False}, "to[1]: "),
            ("send_email", {**EMAIL, "scheduled_att": "2030-01-01T00:00:00Z", "dry_run": False}, "scheduled_att"),
            ("send_email", {"subject": "Hi"}, "to\n"),
            ("find_emails", {"limit": 101}, "limit"),
            ("find_emails", {"status": "lost"}, "status"),
            ("get_email", {"email_id": "none"}, "not_found: "),
        ):
            assert named in (await call(name, **arguments))["error"], name
        assert emailsvc_outbox.emails == []

    use(serve(), work)


def test_a_limit_tells_when_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = httpx.Response(429, json={"code": "quota_exceeded", "detail": "Enough."}, headers={"Retry-After": "600"})
    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(lambda request: refusal))

    async def work(call: Call) -> None:
        told = await call("list_templates")
        assert told["error"].endswith("quota_exceeded: Enough.\nTry again in 600 seconds.")

    use(serve(), work)


def test_a_lost_answer_is_told_with_the_key_for_a_repetition(emailsvc_outbox: Outbox) -> None:
    lost = [True]

    def answer(request: httpx.Request) -> httpx.Response:
        response = emailsvc_outbox.answer(request)
        if lost:
            raise httpx.ReadError("cut")
        return response

    async def work(call: Call) -> None:
        told = (await call("send_email", **EMAIL, dry_run=False))["error"]
        key = told.split("idempotency_key=")[1].split(":")[0]
        lost.clear()
        assert (await call("send_email", **EMAIL, dry_run=False, idempotency_key=key))["sent"]
        assert len(emailsvc_outbox.emails) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defaults, "transport", httpx.MockTransport(answer))
        patch.setattr("emailsvc_client.retrying.FIRST_WAIT", 0.0)
        use(serve(), work)


def test_mail_suppressions_templates_and_figures_are_read(service: Any, api: Any) -> None:
    api.post("/templates", {"alias": "hello", "subject": "Hi {{ name }}", "text": "{{ name }}"})
    api.post("/suppressions", {"address": "gone@rcpt.test"})

    async def work(call: Call) -> None:
        sent = (await call("send_email", **EMAIL, tags=["a"], dry_run=False))["email"]
        assert (sent["status"], sent["tags"]) == ("queued", ["a"])
        assert [row["id"] for row in (await call("find_emails", tag="a", subject="Hi"))["data"]] == [sent["id"]]
        assert (await call("find_emails", to="two@rcpt.test"))["data"] == []
        found = await call("get_email", email_id=sent["id"], content_limit=2)
        assert found["text"] == "He\n[4 more characters]"
        assert [event["type"] for event in found["events"]] == ["email.queued"]
        assert (await call("explain_email", email_id=sent["id"]))["why"]
        assert (await call("get_stats", by="hour", group="tag"))["grouped_by"] == "tag"
        (entry,) = (await call("list_suppressions", contains="gone"))["data"]
        assert (entry["address"], entry["reason"]) == ("gone@rcpt.test", "manual")
        (template,) = (await call("list_templates"))["data"]
        assert (template["alias"], template["variables"], "text" in template) == ("hello", ["name"], False)

    use(service, work)


def test_the_server_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("EMAILSVC_URL", URL)
    monkeypatch.setenv("EMAILSVC_API_KEY", "es_test_k")

    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp.server")

    monkeypatch.setattr(agent_commands, "import_module", fail)
    assert main(["mcp"]) == 1
    assert "pip install emailsvc-client[mcp]" in capsys.readouterr().err


class OneTemplate(BaseHTTPRequestHandler):
    """A service with one key."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer es_test_stdio"
        page = {"data": [], "has_more": False, "limit": 20, "next": None}
        body = json.dumps(page if is_known else {"code": "invalid_key", "detail": "Wrong."}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def stand_in() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OneTemplate) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow("starts the server as a program")
def test_a_client_talks_over_stdio(stand_in: str, tmp_path: Path) -> None:
    environment = {
        "PYTHONPATH": str(ROOT / "clients" / "python"),
        "EMAILSVC_URL": stand_in,
        "EMAILSVC_API_KEY": "es_test_stdio",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    words = ["-m", "emailsvc_client.cli.main", "mcp"]

    async def work(call: Call) -> None:
        assert await call("list_templates") == {"data": [], "has_more": False, "next": None, "limit": 20}

    use(StdioServerParameters(command=sys.executable, args=words, env=environment, cwd=tmp_path), work)


def connect(gate: KeyGate, key: str) -> httpx2.AsyncClient:
    """A client of the application, without a socket."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=gate), base_url="http://127.0.0.1:8765", headers=headers
    )


def test_over_http_each_client_brings_its_key(emailsvc_outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        if request.url.path.endswith("/me"):
            is_known = request.headers["Authorization"] == "Bearer es_test_http"
            return httpx.Response(200 if is_known else 401, json={"code": "invalid_key", "detail": "Wrong."})
        return emailsvc_outbox.answer(request)

    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(answer))

    async def run() -> None:
        gate, app = build_app(URL, "127.0.0.1")
        async with app.router.lifespan_context(app):
            for key in ("", "es_test_other"):
                async with connect(gate, key) as http:
                    refused = await http.post("/mcp", json={})
                    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
            async with connect(gate, "es_test_http") as http:
                rebound = await http.post("/mcp", json={}, headers={"Host": "evil.test"})
                assert rebound.status_code == 421
                url = "http://127.0.0.1:8765/mcp"
                async with Client(streamable_http_client(url, http_client=http)) as client:
                    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
                    result = await client.call_tool("send_email", {**EMAIL, "dry_run": False})
                    assert result.structured_content["sent"] is True

    asyncio.run(run())
    assert [email["to"] for email in emailsvc_outbox.emails] == [["one@rcpt.test"]]
    assert seen[-1] == "Bearer es_test_http"
