"""`check_providers` and the API check our credentials at an ESP without sending mail."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import Project
from common.errors import InvalidFieldsError
from providers.connection_test import ConnectionCheck, check_provider
from providers.models import Provider, ProviderKind
from providers.services import add_provider
from providers.targets import ProviderTarget
from tests.conftest import ApiClient
from tests.esp_cases import CASES, Case
from tests.esp_server import EspServer, Reply

every_esp = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def check(case: Case, url: str) -> ConnectionCheck:
    target = ProviderTarget(kind=ProviderKind.ESP, settings=case.url(url))
    return check_provider(add_provider(None, name=url, target=target, is_operated=True))


@every_esp
def test_an_esp_is_asked_with_our_credentials(db: None, case: Case) -> None:
    with EspServer(Reply(200, {"a": 1})) as server:
        found = check(case, server.url)
        (call,) = server.calls
    assert (found.ok, found.detail) == (True, "knows our credentials")
    assert (call.method, call.body) == ("GET", b"")
    name, value = case.key
    assert call.headers[name].startswith(value)


@every_esp
def test_an_esp_that_does_not_know_us_says_so(db: None, case: Case) -> None:
    with EspServer(Reply(401, {"message": "no such key"}), Reply(200, b"<html>hotel</html>")) as server:
        refused, nonsense = check(case, server.url), check_provider(Provider.objects.get())
    assert (refused.ok, refused.detail) == (False, "HTTP 401: no such key")
    assert (nonsense.ok, "whatever answers there" in nonsense.detail) == (False, True)
    gone = check_provider(Provider.objects.get())
    assert (gone.ok, "refused" in gone.detail) == (False, True)


def test_a_key_that_may_only_send_is_good_enough(db: None) -> None:
    said = Reply(401, {"name": "restricted_api_key", "message": "This API key is restricted to only send emails"})
    with EspServer(said) as server:
        assert check(CASES["resend"], server.url).ok


def test_the_command_and_the_api_check_esps(project: Project, api: ApiClient) -> None:
    with EspServer(Reply(200, {})) as server:
        settings = [f"--set={name}={value}" for name, value in CASES["postmark"].url(server.url).items()]
        out = StringIO()
        call_command("add_provider", "pm", "--kind", "esp", *settings, "--json", stdout=out)
        made = json.loads(out.getvalue())
        provider = Provider.objects.get()
        assert made["settings"] == {"esp": "postmark", "api_url": server.url}
        assert made["events_url"].endswith(f"/feedback/{provider.pk}/{provider.event_secret}")
        out = StringIO()
        call_command("check_providers", "--json", stdout=out)
        assert json.loads(out.getvalue())["ok"] is True
        answer = api.post(f"/providers/{provider.pk}/check")
        assert (answer.status_code, answer.json()["ok"]) == (200, True)


@pytest.mark.parametrize(
    ("name", "values", "setting"),
    [
        ("postmark", {"event_login": "nobody"}, "event_login"),
        ("ses", {"sns_topics": "arn:aws:sqs:eu-west-1:123456789012:x"}, "sns_topics"),
        ("ses", {"sns_topics": "arn:aws:sns:eu-west-1:123456789012:a, b"}, "sns_topics"),
        ("brevo", {"api_url": "ftp://x"}, "api_url"),
        ("brevo", {"secret": "x"}, "secret"),
        ("mailjet", {"secret_key": ""}, "secret_key"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(db: None, name: str, values: dict[str, str], setting: str) -> None:
    settings = {**CASES[name].url("https://api.test/"), **values}
    with pytest.raises(InvalidFieldsError) as refused:
        add_provider(None, name="x", target=ProviderTarget(kind=ProviderKind.ESP, settings=settings), is_operated=True)
    assert [error.field for error in refused.value.errors] == [f"settings.{setting}"]
