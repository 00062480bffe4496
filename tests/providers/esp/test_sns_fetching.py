"""Fetches from SNS use a guarded connection and accept only a 200 response."""

from ipaddress import ip_address

import pytest

from delivery.http_client import HttpClient
from delivery.ssrf import Guard
from providers.esp import sns
from tests.esp_server import EspServer, Reply


def test_a_dns_that_lies_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    client = HttpClient(Guard(resolve=lambda host, port: [ip_address("127.0.0.1")]))
    monkeypatch.setattr(sns, "find_client", lambda: client)
    with pytest.raises(sns.NotFetchedError, match="public address"):
        sns.fetch("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem")
    client.close()


def test_only_200_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    client = HttpClient()
    monkeypatch.setattr(sns, "find_client", lambda: client)
    with EspServer(Reply(200, b"pem"), Reply(302, b"", {"Location": "http://evil.test/"}), Reply(500)) as server:
        assert sns.fetch(server.url) == b"pem"
        for _ in range(2):
            with pytest.raises(sns.NotFetchedError):
                sns.fetch(server.url)
        assert len(server.calls) == 3
    client.close()
