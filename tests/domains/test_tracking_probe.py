"""A tracking host is used only while it answers over HTTPS as this service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from accounts.services import create_project
from domains import verification
from domains.dns.records import RecordPurpose
from domains.models import Domain
from domains.published_records import may_have_certificate, shown_records
from domains.services import add_domain
from domains.signing_identities import Identities
from domains.tracking_probe import answer_probe, new_probe_token, probe_host
from domains.verification import verify_domain
from tests.certificates import CertificateAuthority
from tests.domains.dns_server import DnsServer
from tests.domains.owner import publish_records, remove_records
from tests.esp_server import Call, EspServer, Reply

pytestmark = pytest.mark.django_db


class Ourselves(EspServer):
    """A server that answers probes as the service does, and notes the host that it was asked for."""

    host = ""
    is_ours = True

    def take(self, call: Call) -> Reply:
        self.host = call.headers["host"]
        answer = answer_probe(call.path.removeprefix("/t/probe/")) if self.is_ours else "<h1>It works!</h1>"
        return Reply(status=200, body=(answer or "").encode())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ourselves]:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with Ourselves(tls=authority.issue("link.good.test")) as running:
        yield running


@pytest.fixture
def domain(zone: DnsServer, settings: Any, monkeypatch: pytest.MonkeyPatch, server: Ourselves) -> Domain:
    monkeypatch.setattr(verification, "probe_host", probe_host)
    settings.PUBLIC_URL = f"https://mail.service.test:{server.port}"
    zone.put("mail.service.test", "A", "127.0.0.1")
    project: Project = create_project(name="acme")
    made = add_domain(project, name="good.test")
    publish_records(zone, made)
    return made


def tracking_advice(domain: Domain) -> str:
    reread = Domain.objects.get(pk=domain.pk)
    return next(shown.advice for shown in shown_records(reread) if shown.record.purpose is RecordPurpose.TRACKING)


def test_a_host_that_answers_as_this_service_is_used(domain: Domain, server: Ourselves) -> None:
    verify_domain(domain)
    assert server.host == f"link.good.test:{server.port}"
    assert Identities().of(domain.pk).tracking_host == "link.good.test"
    assert tracking_advice(domain) == ""


def test_a_host_of_another_service_is_not_used_and_the_advice_says_so(domain: Domain, server: Ourselves) -> None:
    server.is_ours = False
    checked = verify_domain(domain)
    assert checked.status == "verified"
    assert Identities().of(domain.pk).tracking_host is None
    assert "is answered by another service" in tracking_advice(domain)
    assert "Links use mail.service.test" in tracking_advice(domain)


@pytest.mark.parametrize("fault", ["certificate", "nothing listens", "private address"])
def test_a_host_without_https_is_not_used(
    domain: Domain,
    server: Ourselves,
    zone: DnsServer,
    settings: Any,
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "certificate":
        other = CertificateAuthority(tmp_path, name="other")
        monkeypatch.setenv("SSL_CERT_FILE", str(other.ca_file))
    elif fault == "nothing listens":
        server.__exit__(None, None, None)
    else:
        zone.drop("link.good.test", "CNAME")
        zone.put("link.good.test", "A", "127.0.0.9")
    verify_domain(domain)
    assert Identities().of(domain.pk).tracking_host is None


def test_a_host_is_asked_again_at_each_check(domain: Domain, server: Ourselves) -> None:
    verify_domain(domain)
    server.is_ours = False
    verify_domain(domain)
    assert Identities().of(domain.pk).tracking_host is None
    server.is_ours = True
    verify_domain(domain)
    assert Identities().of(domain.pk).tracking_host == "link.good.test"


def test_certificates_are_only_for_tracking_hosts_of_proven_domains(
    domain: Domain, zone: DnsServer, server: Ourselves, client: Any
) -> None:
    def ask(host: str) -> int:
        return int(client.get("/t/ask", {"domain": host}, headers={"host": "localhost"}).status_code)

    assert ask("link.good.test") == 404
    server.is_ours = False
    remove_records(zone, domain, RecordPurpose.DKIM)
    assert verify_domain(domain).status == "pending"
    assert ask("link.good.test") == ask("LINK.good.test.") == 200
    assert ask("good.test") == ask("link.evil.test") == ask("") == ask("a\0.test") == ask("x" * 5000) == 404
    assert client.post("/t/ask", headers={"host": "localhost"}).status_code == 405
    remove_records(zone, domain, RecordPurpose.OWNERSHIP)
    verify_domain(domain)
    assert not may_have_certificate("link.good.test")


def test_the_probe_is_answered_under_any_name_and_only_to_ourselves(client: Any, settings: Any) -> None:
    token = new_probe_token()
    answer = client.get(f"/t/probe/{token}", headers={"host": "link.new.test"})
    assert (answer.status_code, answer.content.decode()) == (200, answer_probe(token))
    assert client.get("/t/probe/x.y", headers={"host": "link.new.test"}).status_code == 404
    assert client.get("/t/o/x", headers={"host": "link.new.test"}).status_code == 400
    assert client.post(f"/t/probe/{token}", headers={"host": "link.new.test"}).status_code == 405
    settings.SECRET_KEY = "another key " * 4
    assert answer_probe(token) is None


@pytest.mark.parametrize("path", ["/t/o/x", "/t/c/x"])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_wrong_methods_on_links_are_405(client: Any, path: str, method: str) -> None:
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
