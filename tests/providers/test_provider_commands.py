"""The commands on providers."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Project
from providers.models import Provider
from tests.smtp_server import Script, SmtpServer


def run(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def add(*arguments: str) -> list[dict[str, Any]]:
    """Without asking the provider."""
    return run("add_provider", *arguments, "--no-check")


def test_add_provider_makes_one_for_the_only_project(project: Project) -> None:
    (made,) = add("relay", "smtp://me:pw@relay.test", "--priority", "2", "--rate-limit", "5")
    assert (made["name"], made["project"], made["priority"], made["rate_limit"]) == ("relay", "Acme", 2, 5.0)
    assert made["settings"] == {"host": "relay.test"}
    assert Provider.objects.get().project == project


def test_add_provider_makes_a_shared_one_from_settings(project: Project) -> None:
    (made,) = add("relay", "--shared", "--kind", "smtp", "--set", "host=relay.test", "--set", "port=26")
    assert (made["project"], made["shared"], made["settings"]) == (None, True, {"host": "relay.test", "port": "26"})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("relay",), "Give a URL"),
        (("relay", "smtp://relay.test", "--kind", "smtp"), "Give a URL"),
        (("relay", "--kind", "smtp", "--set", "host"), "NAME=VALUE"),
        (("relay", "--kind", "smtp", "--set", "host=a.test", "--set", "prt=1"), "settings.prt: Unknown option prt"),
        (("relay", "--kind", "esp", "--set", "esp=postmark"), "settings.server_token: Postmark requires server_token"),
        (("relay", "ftp://relay.test"), "url: The scheme must be one of"),
        (("relay", "smtp://relay.test?x=1"), "url: Unknown option x"),
        (("relay", "smtp://relay.test", "--weight", "0"), "--weight: "),
        (("relay", "smtp://relay.test", "--weight", "40000"), "--weight: "),
        (("relay", "smtp://relay.test", "--priority", "99999"), "--priority: "),
        (("relay", "smtp://relay.test", "--connection-limit", "0"), "--connection-limit: "),
        (("relay", "smtp://relay.test", "--rate-limit", "-1"), "--rate-limit: "),
        (("relay", "smtp://relay.test", "--rate-limit", "nan"), "--rate-limit: "),
        (("", "smtp://relay.test"), "name: "),
        (("a\nb", "smtp://relay.test"), "name: "),
        (("relay", "smtp://relay.test", "--shared", "--project", "Acme"), "not both"),
        (("relay", "smtp://relay.test", "--secret", "password"), "--secret: goes with --kind"),
    ],
)
def test_add_provider_refuses_what_is_unclear_in_one_line(
    project: Project, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError) as refused:
        run("add_provider", *arguments)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Provider.objects.exists()


def test_add_provider_asks_before_it_says_ok(project: Project, closed_port: int) -> None:
    with SmtpServer(Script(offers=("AUTH PLAIN",), users={"me": "right"})) as relay:
        address = f"127.0.0.1:{relay.port}?tls=never"
        with pytest.raises(CommandError, match=r"relay does not accept mail: .*535.* Nothing was stored"):
            run("add_provider", "relay", f"smtp://me:wrong@{address}")
        with pytest.raises(CommandError, match=r"does not accept mail: connect"):
            run("add_provider", "relay", f"smtp://127.0.0.1:{closed_port}")
        assert not Provider.objects.exists()
        (made,) = run("add_provider", "relay", f"smtp://me:right@{address}")
    assert made["health"]["status"] == "ok"
    assert relay.mails == []


def test_secrets_come_from_the_input_and_not_from_the_command_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--kind", "smtp", "--set", "host=relay.test", "--set", "username=me", "--secret", "password")
    monkeypatch.setattr("sys.stdin", StringIO(" s3cret: \n"))
    (made,) = add("relay", *options)
    assert made["settings"] == {"host": "relay.test"}
    assert Provider.objects.get().settings["password"] == " s3cret: "
    monkeypatch.setattr("sys.stdin", StringIO("smtp://me:other@relay.test\n"))
    add("second", "-")
    assert Provider.objects.get(name="second").settings["password"] == "other"
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(CommandError, match="password: the input has no line for it"):
        add("third", *options)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--seconds", "0"), "--seconds: "),
        (("--seconds", "99999999999999"), "--seconds: "),
        (("--reason", "a\nb"), "--reason: "),
    ],
)
def test_pause_provider_rejects_invalid_arguments(project: Project, arguments: tuple[str, ...], told: str) -> None:
    run("add_provider", "relay", "simulator:")
    with pytest.raises(CommandError, match=told):
        run("pause_provider", "relay", *arguments)


def test_a_provider_is_paused_and_resumed_by_name(project: Project) -> None:
    run("add_provider", "relay", "simulator:")
    (paused,) = run("pause_provider", "relay", "--reason", "moving")
    assert paused["health"] == {"status": "paused", "reason": "moving", "until": None}
    (timed,) = run("pause_provider", "relay", "--seconds", "60")
    assert timed["health"]["until"]
    assert timed["health"]["status"] == "paused"
    out = StringIO()
    call_command("pause_provider", "relay", "--seconds", "60", "--reason", "moving", stdout=out)
    assert f"paused until {timed['health']['until'][:10]}" in out.getvalue()
    (resumed,) = run("resume_provider", str(Provider.objects.get().pk))
    assert resumed["health"]["status"] == "ok"
    with pytest.raises(CommandError):
        run("pause_provider", "nobody")


def test_check_providers_lists_the_providers_that_would_take_mail(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with SmtpServer() as good, SmtpServer(Script(offers=("AUTH PLAIN",), users={"me": "right"})) as locked:
        run("add_provider", "good", f"smtp://127.0.0.1:{good.port}?tls=never")
        assert [(line["ok"], line["health"]) for line in run("check_providers")] == [(True, "ok")]
        run("pause_provider", "good")
        assert [(line["ok"], line["health"]) for line in run("check_providers")] == [(True, "paused")]
        add("locked", f"smtp://me:wrong@127.0.0.1:{locked.port}?tls=never", "--priority", "1")
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("check_providers", "--json", stdout=out)
    assert ended.value.code == 1
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["name"], line["ok"]) for line in lines] == [("good", True), ("locked", False)]
    assert "535" in lines[1]["detail"]
    assert "tried PLAIN with initial response, PLAIN" in lines[1]["detail"]
    assert good.mails == []


def test_check_providers_names_the_mechanism_that_worked(project: Project) -> None:
    script = Script(offers=("AUTH PLAIN LOGIN",), users={"me": "right"}, replies={"AUTH PLAIN": "535 5.7.8 no"})
    with SmtpServer(script) as relay:
        run("add_provider", "relay", f"smtp://me:right@127.0.0.1:{relay.port}?tls=never")
        (line,) = run("check_providers")
    assert (line["ok"], line["detail"]) == (True, "accepted EHLO and the credentials, by AUTH LOGIN")
