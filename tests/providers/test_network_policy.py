"""Providers that the operator has not set up may not be in private networks."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from accounts.models import Project
from delivery import ssrf
from messages.models import Message
from messages.sending.loop import SendingLoop
from messages.sending.worker_state import close_worker_state
from messages.states import Lane
from providers import network_policy
from providers.models import Provider, ProviderKind
from providers.routing.selection import routes
from providers.services import add_provider, change_provider
from providers.targets import ProviderTarget
from tests.conftest import ApiClient
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[::1]", "[fd00::1]"]
ODD = ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"]
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


def refusal(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.content
    (error,) = answer.json()["errors"]
    return error["field"], error["code"]


@pytest.mark.parametrize("host", ODD)
def test_a_number_is_no_host(api: ApiClient, host: str) -> None:
    assert refusal(api.post("/providers", {"name": "a", "url": f"smtp://{host}:25"})) == ("url", "invalid_provider")
    assert not Provider.objects.exists()


@pytest.mark.parametrize("host", [*PRIVATE, "localhost"])
def test_the_api_makes_no_provider_inside(api: ApiClient, host: str) -> None:
    assert refusal(api.post("/providers", {"name": "a", "url": f"smtp://{host}:25"})) == ("url", "forbidden_address")
    assert not Provider.objects.exists()


def test_a_name_that_leads_inside_is_refused_too(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssrf.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.5", 25))])
    body = {"name": "a", "kind": "smtp", "settings": {"host": "relay.evil.test"}}
    assert refusal(api.post("/providers", body)) == ("settings.host", "forbidden_address")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://2130706433/", "https://[::1]/v3"])
def test_an_esps_api_is_not_looked_for_inside(api: ApiClient, url: str) -> None:
    settings = {"esp": "postmark", "server_token": "t", "api_url": url}
    field, code = refusal(api.post("/providers", {"name": "a", "kind": "esp", "settings": settings}))
    assert field == "settings.api_url"
    assert code in {"forbidden_address", "invalid_provider"}


def test_the_machines_own_credentials_are_not_for_projects(api: ApiClient, project: Project) -> None:
    settings = {"esp": "ses", "region_name": "eu-central-1"}
    body = {"name": "a", "kind": "esp", "settings": settings}
    assert refusal(api.post("/providers", body)) == ("settings.aws_access_key_id", "invalid_provider")
    target = ProviderTarget(kind=ProviderKind.ESP, settings=settings)
    assert add_provider(project, name="a", target=target, is_operated=True).is_operated


def test_networks_that_the_operator_opens_are_open(api: ApiClient, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = [ip_network("10.1.0.0/16")]
    assert api.post("/providers", {"name": "a", "url": "smtp://10.1.2.3:25"}).status_code == 201
    assert api.post("/providers", {"name": "b", "url": "smtp://10.2.2.3:25"}).status_code == 422


def test_a_provider_of_the_operator_cannot_be_turned_inwards_by_the_api(api: ApiClient, project: Project) -> None:
    target = ProviderTarget(url="smtp://127.0.0.1:2525")
    provider = add_provider(project, name="relay", target=target, is_operated=True)
    path = f"/providers/{provider.pk}"
    assert refusal(api.patch(path, {"settings": {"host": "127.0.0.1", "port": 6379}}))[1] == "forbidden_address"
    assert refusal(api.patch(path, {"url": "smtp://relay.test?ca=/etc/passwd"}))[1] == "invalid_provider"
    assert api.patch(path, {"priority": 3}).status_code == 200
    provider.refresh_from_db()
    assert (provider.is_operated, provider.settings) == (True, {"host": "127.0.0.1", "port": "2525"})


def test_whoever_changes_where_a_provider_leads_answers_for_it(
    api: ApiClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_policy, "_check_host", lambda *_: [])
    provider = add_provider(project, name="relay", target=ProviderTarget(url="smtp://127.0.0.1:25"), is_operated=True)
    assert api.patch(f"/providers/{provider.pk}", {"url": "smtp://relay.test"}).status_code == 200
    provider.refresh_from_db()
    assert not provider.is_operated
    change_provider(provider, target=ProviderTarget(url="smtp://127.0.0.1:25"), is_operated=True)
    assert provider.is_operated


def lead_inside(project: Project, server: SmtpServer, *, is_operated: bool) -> Provider:
    """As if the name of its host had pointed elsewhere when it was made (DNS rebinding)."""
    url = f"smtp://127.0.0.1:{server.port}?tls=never"
    return Provider.objects.create(
        project=project, name="relay", kind="smtp", settings=settings_of(url), is_operated=is_operated
    )


@pytest.mark.parametrize("is_operated", [True, False])
def test_each_connection_is_guarded_and_the_mail_waits(
    api: ApiClient, project: Project, server: SmtpServer, settings: Any, is_operated: bool
) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    provider = lead_inside(project, server, is_operated=is_operated)
    email = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
    assert api.post("/emails", email).status_code == 202
    SendingLoop(Lane.NORMAL, lambda: None).run()
    assert server.connection_count == int(is_operated)
    assert Message.objects.get().status == ("sent" if is_operated else "queued")
    provider.refresh_from_db()
    assert ("not at a public address" in provider.pause_reason) is not is_operated


def test_asking_whether_it_takes_mail_is_guarded_too(api: ApiClient, project: Project, server: SmtpServer) -> None:
    provider = lead_inside(project, server, is_operated=False)
    answer = api.post(f"/providers/{provider.pk}/check").json()
    assert (answer["ok"], server.connection_count) == (False, 0)
    assert "127.0.0.1 is not at a public address" in answer["detail"]


def test_a_guarded_relay_is_connected_to_at_the_address_that_was_checked(
    project: Project, server: SmtpServer, settings: Any, monkeypatch: pytest.MonkeyPatch, make_api: Callable[..., Any]
) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = LOOPBACK
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    provider = lead_inside(project, server, is_operated=False)
    provider.settings = settings_of(f"smtp://relay.test:{server.port}?tls=never")
    provider.save()
    answers = iter([[ip_address("127.0.0.1")]])
    guard = ssrf.Guard(allowed=LOOPBACK, resolve=lambda *_: next(answers))
    monkeypatch.setattr(network_policy, "Guard", lambda **_: guard)
    assert make_api().post(f"/providers/{provider.pk}/check").json()["ok"] is True
    assert server.connection_count == 1
