"""The command line `emailsvc`."""

import io
import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from emailsvc_client import Webhook
from emailsvc_client.cli import event_commands
from emailsvc_client.cli.main import main
from emailsvc_client.configuration import defaults
from emailsvc_client.testing.outbox import Outbox

from tests.clients.conftest import URL, lead_to_django

EMAIL = ("--from", "shop@mine.test", "--to", "one@rcpt.test", "--subject", "Hi", "--text", "Hello.")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_a_login_keeps_the_key_for_its_owner_alone(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(defaults, "transport", httpx.MockTransport(lead_to_django))
    monkeypatch.delenv("EMAILSVC_API_KEY", raising=False)
    monkeypatch.delenv("EMAILSVC_URL", raising=False)
    assert main(["list"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("es_live_wrong\n"))
    assert main(["login", "--url", URL]) == 1
    file = tmp_path / "config" / "emailsvc" / "account.json"
    assert not file.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{api.token}\n"))
    assert main(["login", "--url", f"{URL}/"]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert "Logged in to Acme" in said.out
    assert api.token not in said.out + said.err
    # The key of one service is not told to another.
    monkeypatch.setenv("EMAILSVC_URL", "https://other.test")
    assert main(["list"]) == 1
    assert "EMAILSVC_API_KEY" in capsys.readouterr().err


def test_a_key_is_no_argument() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["login", "--url", URL, "--api-key", "es_live_x"])
    assert caught.value.code == 2


def test_an_email_is_sent_listed_shown_and_explained(in_process: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", *EMAIL, "--tag", "a", "--metadata", "order=1", "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    assert (sent["tags"], sent["metadata"]) == (["a"], {"order": "1"})
    for words in (["list", "--tag", "a"], ["show", sent["id"]]):
        assert main(words) == 0
        assert f"{sent['id']}  queued" in capsys.readouterr().out
    assert main(["explain", sent["id"]]) == 0
    assert capsys.readouterr().out.startswith("queued: ")
    assert main(["send", *EMAIL, "--to", "no address"]) == 1
    assert "to[1]" in capsys.readouterr().err


def test_fields_come_from_files_too(
    emailsvc_outbox: Outbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.html").write_text("<p>Grüße</p>", "utf-8")
    (tmp_path / "email.json").write_text(
        '{"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Old"}', "utf-8"
    )
    words = ["--body", str(tmp_path / "email.json"), "--subject", "New", "--html-file", str(tmp_path / "page.html")]
    assert main(["send", *words, "--attach", str(tmp_path / "page.html")]) == 0
    email = emailsvc_outbox.emails[0]
    assert (email["subject"], email["html"], email["attachments"][0]["filename"]) == (
        "New",
        "<p>Grüße</p>",
        "page.html",
    )
    assert main(["dry-run", *words]) == 0
    assert "one@rcpt.test: send" in capsys.readouterr().out
    assert len(emailsvc_outbox.emails) == 1
    assert main(["send", *words, "--metadata", "nothing"]) == 1


def test_control_characters_do_not_reach_the_terminal(
    emailsvc_outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", *EMAIL, "--subject", "a\x1b]0;b\x07"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_templates_go_back_and_forth_as_files(
    in_process: None, api: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    german = {"de": {"subject": "Hallo {{ name }}", "text": "Hallo."}}
    fields = {
        "alias": "welcome",
        "name": "Welcome",
        "subject": "Hello {{ name }}",
        "text": "Hello.\r\n",
        "locales": german,
    }
    api.post("/templates", {**fields, "default_locale": "en"})
    folder = tmp_path / "templates"
    assert main(["templates", "pull", str(folder)]) == 0
    assert (folder / "welcome" / "subject.txt").read_text() == "Hello {{ name }}"
    assert (folder / "welcome" / "de" / "body.txt").read_text() == "Hallo."
    assert main(["templates", "diff", str(folder)]) == 0
    (folder / "welcome" / "subject.txt").write_text("Welcome {{ name }}")
    (folder / "receipt").mkdir()
    (folder / "receipt" / "subject.txt").write_text("Receipt")
    (folder / "receipt" / "body.txt").write_text("Thanks.")
    capsys.readouterr()
    assert main(["templates", "diff", str(folder)]) == 1
    assert "+Welcome {{ name }}" in capsys.readouterr().out
    assert main(["templates", "push", str(folder), "--publish"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["created receipt", "updated welcome"]
    stored = api.get("/templates/welcome").json()
    assert (stored["subject"], stored["published_version"], stored["locales"]["de"]["text"]) == (
        "Welcome {{ name }}",
        1,
        "Hallo.",
    )
    assert main(["templates", "push", str(folder)]) == 0
    assert "unchanged welcome" in capsys.readouterr().out


def test_domains_are_verified_by_name(
    in_process: None, api: Any, zone: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    api.post("/domains", {"name": "mine.test"})
    assert main(["domains", "verify", "mine.test"]) == 1
    assert "mine.test: pending" in capsys.readouterr().out
    assert main(["domains", "verify", "other.test"]) == 1


def test_events_are_posted_to_a_local_program_with_a_signature(
    emailsvc_outbox: Outbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {
        "id": "e1", "type": "email.bounced", "email_id": "m1", "recipient": "jo@rcpt.test", "test": False,
        "occurred_at": "2030-01-01T00:00:00Z", "data": {"code": 550, "reply": "no such user"},
    }  # fmt: skip
    posts: list[tuple[bytes, httpx.Headers]] = []

    def stream(*_: Any, **__: Any) -> Any:
        yield event
        raise KeyboardInterrupt

    def forward(http: Any, url: str, webhook: Webhook, event_id: str, payload: Any) -> str:
        receiver = httpx.MockTransport(
            lambda request: posts.append((request.content, request.headers)) or httpx.Response(204)
        )
        with httpx.Client(transport=receiver) as local:
            return real(local, url, webhook, event_id, payload)

    real = event_commands.forward
    monkeypatch.setattr(event_commands, "forward", forward)
    monkeypatch.setattr("emailsvc_client.client.Client.stream_events", stream)
    assert main(["listen", "--forward-to", "http://127.0.0.1:3000/hook", "--json"]) == 130
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[1]["answer"] == "204"
    posted = Webhook(told[0]["secret"]).verify(posts[0][0], posts[0][1])
    assert posts[0][1]["webhook-id"] == "e1"
    assert (posted["type"], posted["data"]["recipient"], posted["data"]["code"]) == (
        "email.bounced",
        "jo@rcpt.test",
        550,
    )
    assert main(["tail"]) == 130
    assert "email.bounced" in capsys.readouterr().out
