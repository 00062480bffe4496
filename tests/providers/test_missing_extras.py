"""An installation without the libraries that only some need: what needs them is refused with the command."""

import sys
from importlib.machinery import ModuleSpec
from typing import Any
from uuid import uuid4

import pytest

from delivery.concurrency.built_apart import BuiltApart
from delivery.envelope import Outcome, Reply
from delivery.optional import EXTRAS, ExtraMissingError, require_extra
from providers.configuration.model import ProviderSettingsError
from providers.models import Provider
from providers.routing.selection import build_provider_ref
from providers.services import sync_shared_provider
from providers.transports import build_transport
from tests.conftest import ApiClient

SES = {"esp": "ses", "region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
COMMANDS = {name: f"./run install {name}" for name in ("mjml", "otel", "s3", "sentry", "ses")}


class Absent:
    """Finds nothing of the named packages, as if they were not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if {name, name.partition(".")[0]} & self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No extra is installed."""
    hidden = tuple(f"{package}." for package in EXTRAS.values())
    for name in [name for name in sys.modules if f"{name}.".startswith(hidden)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(set(EXTRAS.values())), *sys.meta_path])


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_each_extra_is_there_for_the_tests(extra: str) -> None:
    require_extra(extra, "This")


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_that_is_missing_is_named_with_its_command(extra: str) -> None:
    with pytest.raises(ExtraMissingError, match=rf"This needs .*{COMMANDS[extra]}$"):
        require_extra(extra, "This")


@pytest.mark.usefixtures("absent")
def test_a_provider_that_needs_one_is_422_and_not_stored(api: ApiClient) -> None:
    for body, field in (
        ({"kind": "esp", "settings": SES}, "settings.esp"),
        ({"url": "esp://ses?region_name=eu-west-1&aws_access_key_id=a&aws_secret_access_key=b"}, "url"),
    ):
        answer = api.post("/providers", {"name": "way", **body})
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, field)
        assert COMMANDS["ses"] in error["message"]
    assert api.post("/providers", {"name": "way", "url": "esp://postmark?server_token=x"}).status_code == 201
    assert list(Provider.objects.values_list("name", flat=True)) == ["way"]


@pytest.mark.usefixtures("absent")
@pytest.mark.django_db
def test_the_shared_provider_is_refused_too() -> None:
    with pytest.raises(ProviderSettingsError, match=COMMANDS["ses"]):
        sync_shared_provider("esp://ses?region_name=eu-west-1")
    assert not Provider.objects.exists()


def test_mail_of_a_provider_stored_before_waits_with_the_command_as_its_reason(
    api: ApiClient, request: pytest.FixtureRequest
) -> None:
    assert api.post("/providers", {"name": "way", "kind": "esp", "settings": SES}).status_code == 201
    request.getfixturevalue("absent")
    transport = build_transport(build_provider_ref(Provider.objects.get()))
    assert isinstance(transport, BuiltApart)
    reply = transport._build.find()
    assert isinstance(reply, Reply)
    assert COMMANDS["ses"] in reply.text
    assert reply.outcome is Outcome.DEFERRED


@pytest.mark.usefixtures("absent")
def test_a_template_in_mjml_is_422_with_the_command(api: ApiClient) -> None:
    answer = api.post("/templates", {"name": f"t-{uuid4().hex}", "subject": "Hi", "mjml": "<mjml></mjml>"})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "mjml")
    assert COMMANDS["mjml"] in error["message"]
    html = {"name": f"t-{uuid4().hex}", "subject": "Hi", "html": "<p>Hi</p>"}
    assert api.post("/templates", html).status_code == 201
