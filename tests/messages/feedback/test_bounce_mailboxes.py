"""Bounce mailboxes: their input, what reading them records, and what a broken one does."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Notice, Project
from gateways import bounce_mailboxes
from gateways.bounce_mailboxes import read_due_mailboxes
from messages.feedback.return_paths import find_return_path
from messages.models import Message, Recipient
from providers.bounce_mailboxes import claim_mailbox, read_mailbox, store_mailbox
from providers.connection_test import check_provider
from providers.models import BounceMailbox, Provider, ProviderKind
from providers.routing.selection import routes
from tests.certificates import CertificateAuthority
from tests.conftest import ApiClient
from tests.mailbox_servers import PASSWORD, USER, ImapServer, Pop3Server
from tests.messages.feedback.bounce_mails import build_dsn
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
# The database's clock stands still within a test's transaction.
PAST = timezone.now() - timedelta(days=1)
LETTER = b"From: ann@x.test\r\nSubject: lunch?\r\n\r\nAt noon.\r\n"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CertificateAuthority:
    """The authority that this service trusts meanwhile."""
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    return authority


@pytest.fixture(params=[ImapServer, Pop3Server])
def server(request: pytest.FixtureRequest, authority: CertificateAuthority) -> Iterator[Any]:
    with request.param(authority.issue("127.0.0.1"), {"INBOX": []}) as server:
        yield server


def url_of(server: Any, *, user: str = USER, password: str = PASSWORD, more: str = "") -> str:
    scheme = "imaps" if isinstance(server, ImapServer) else "pop3s"
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{server.port}{more}"


@pytest.fixture
def relay(project: Project) -> Iterator[Provider]:
    with SmtpServer() as relay:
        url = f"smtp://127.0.0.1:{relay.port}?tls=never"
        yield Provider.objects.create(project=project, name="relay", kind="smtp", settings=settings_of(url))


def attach(provider: Provider, server: Any, more: str = "") -> BounceMailbox:
    """Give the provider the mailbox, as the operator does."""
    store_mailbox(provider, read_mailbox(url_of(server, more=more), kind=ProviderKind.SMTP, is_operated=True))
    make_due()
    return BounceMailbox.objects.get(provider=provider)


def make_due() -> None:
    BounceMailbox.objects.update(next_attempt_at=PAST)


def bounce_of(recipient: Recipient, settings: Any) -> bytes:
    settings.REPORT_DOMAIN = "reports.test"
    return build_dsn(str(find_return_path(None, recipient.pk)), recipient.address)


def test_bounces_in_the_mailbox_are_recorded_and_deleted_and_other_mail_stays(
    relay: Provider, server: Any, send: Send, deliver: Deliver, settings: Any
) -> None:
    send()
    deliver()
    recipient = Recipient.objects.get()
    server.add("INBOX", LETTER)
    server.add("INBOX", bounce_of(recipient, settings))
    attach(relay, server)
    assert read_due_mailboxes() == 1
    recipient.refresh_from_db()
    assert (recipient.status, Suppression.objects.get().address) == ("bounced", recipient.address)
    assert list(server.folders["INBOX"].values()) == [LETTER]
    mailbox = BounceMailbox.objects.get()
    assert (mailbox.failure, mailbox.lease_token) == ("", None)
    assert mailbox.fetched_at is not None
    # Not before a minute is over.
    assert read_due_mailboxes() == 0


def test_kept_reports_stay_and_are_read_once(
    relay: Provider, server: Any, send: Send, deliver: Deliver, settings: Any
) -> None:
    send()
    deliver()
    server.add("INBOX", bounce_of(Recipient.objects.get(), settings))
    attach(relay, server, more="?keep=yes")
    for _ in range(2):
        make_due()
        assert read_due_mailboxes() == 1
    assert len(server.folders["INBOX"]) == 1
    assert Event.objects.filter(type="email.bounced").count() == 1
    assert len([text for text in server.commands if "FETCH" in text or "RETR" in text]) == 1


def test_more_mails_than_one_visit_takes_are_read_in_the_next(
    relay: Provider, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounce_mailboxes, "MAX_MAILS", 2)
    for _ in range(5):
        server.add("INBOX", LETTER)
    attach(relay, server)
    assert read_due_mailboxes() == 3
    assert len([text for text in server.commands if "FETCH" in text or "RETR" in text]) == 5


def test_the_check_of_a_provider_opens_its_mailbox(relay: Provider, server: Any, closed_port: int) -> None:
    attach(relay, server)
    relay.refresh_from_db()
    assert check_provider(relay).detail.endswith("its bounce mailbox opens")
    BounceMailbox.objects.update(port=closed_port)
    relay.refresh_from_db()
    check = check_provider(relay)
    assert (check.ok, "its bounce mailbox: no connection" in check.detail) == (False, True)


def test_a_leased_mailbox_is_not_read_by_another(relay: Provider, server: Any) -> None:
    attach(relay, server)
    assert claim_mailbox() is not None
    assert claim_mailbox() is None
    assert read_due_mailboxes() == 0


def test_a_broken_mailbox_is_told_once_and_stays_with_its_provider(
    relay: Provider, server: Any, closed_port: int, project: Project
) -> None:
    good = Provider.objects.create(
        project=project, name="other", kind="smtp", settings=settings_of("smtp://relay.test")
    )
    attach(good, server)
    broken = attach(relay, server)
    BounceMailbox.objects.filter(pk=broken.pk).update(port=closed_port)
    for _ in range(2):
        make_due()
        assert read_due_mailboxes() == 2
    broken.refresh_from_db()
    assert broken.failure.startswith("no connection")
    notice = Notice.objects.get()
    assert (notice.project, notice.kind) == (project, "bounce_mailbox_failed")
    assert BounceMailbox.objects.get(provider=good).failure == ""
    make_due()
    BounceMailbox.objects.filter(pk=broken.pk).update(port=server.port)
    read_due_mailboxes()
    broken.refresh_from_db()
    assert (broken.failure, broken.failed_count) == ("", 0)


def test_a_mailbox_is_given_by_the_api_and_never_shows_its_login(server: Any, api: ApiClient, settings: Any) -> None:
    allow_loopback(settings)
    body = {"name": "r", "url": "simulator:", "bounce_mailbox": url_of(server, more="?keep=yes")}
    assert api.post("/providers", body).status_code == 422
    made = api.post("/providers", {**body, "url": "smtp://127.0.0.1:25?tls=never"})
    assert made.status_code == 201, made.json()
    shown = made.json()["bounce_mailbox"]
    assert (shown["host"], shown["port"], shown["folder"], shown["keep"]) == ("127.0.0.1", server.port, "INBOX", True)
    assert set(shown) == {"protocol", "host", "port", "folder", "keep", "fetched_at", "failure"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM providers_bouncemailbox")
        assert PASSWORD not in cursor.fetchone()[0]
    path = f"/providers/{made.json()['id']}"
    assert api.patch(path, {"name": "s"}).json()["bounce_mailbox"]["port"] == server.port
    assert api.patch(path, {"bounce_mailbox": None}).json()["bounce_mailbox"] is None
    assert not BounceMailbox.objects.exists()


def parts_of(server: Any) -> dict[str, Any]:
    found = urlsplit(url_of(server))
    return {
        "protocol": found.scheme,
        "host": found.hostname,
        "port": found.port,
        "username": unquote(found.username or ""),
        "password": unquote(found.password or ""),
    }


def test_a_mailbox_is_given_by_its_parts_and_a_change_keeps_the_login_of_the_same_host(
    server: Any, api: ApiClient, settings: Any
) -> None:
    allow_loopback(settings)
    parts = parts_of(server)
    body = {"name": "r", "url": "smtp://127.0.0.1:25?tls=never", "bounce_mailbox": {**parts, "keep": True}}
    made = api.post("/providers", body)
    assert made.status_code == 201, made.json()
    shown = made.json()["bounce_mailbox"]
    assert (shown["host"], shown["port"], shown["folder"], shown["keep"]) == ("127.0.0.1", server.port, "INBOX", True)
    path = f"/providers/{made.json()['id']}"
    without_login = {name: parts[name] for name in ("protocol", "host", "port")}
    assert api.patch(path, {"bounce_mailbox": without_login}).json()["bounce_mailbox"]["keep"] is False
    assert BounceMailbox.objects.get().password == PASSWORD
    answer = api.patch(path, {"bounce_mailbox": {**without_login, "host": "localhost"}})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "bounce_mailbox.username")


WRONG_PARTS: list[tuple[Any, str]] = [
    ({"protocol": "imap"}, "bounce_mailbox.protocol"),
    ({"protocol": None}, "bounce_mailbox.protocol"),
    ({"host": "imaps://h.test"}, "bounce_mailbox.host"),
    ({"host": "2130706433"}, "bounce_mailbox.host"),
    ({"host": "h.test/x?ca=/etc/passwd"}, "bounce_mailbox.host"),
    ({"port": "993"}, "bounce_mailbox.port"),
    ({"port": 65_536}, "bounce_mailbox.port"),
    ({"username": ""}, "bounce_mailbox.username"),
    ({"password": "a\r\nb"}, "bounce_mailbox.password"),
    ({"password": 5}, "bounce_mailbox.password"),
    ({"protocol": "pop3s", "folder": "INBOX"}, "bounce_mailbox.folder"),
    ({"keep": "yes"}, "bounce_mailbox.keep"),
    ({"tls": True}, "bounce_mailbox.tls"),
]


@pytest.mark.parametrize(("change", "field"), WRONG_PARTS)
def test_a_wrong_part_of_a_mailbox_is_named(api: ApiClient, change: dict[str, Any], field: str) -> None:
    parts = {"protocol": "imaps", "host": "h.test", "username": "u", "password": "secret-1", **change}
    answer = api.post("/providers", {"name": "r", "url": "mx:", "bounce_mailbox": parts})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
    assert "secret-1" not in answer.content.decode()
    for nothing in ([], 7, True):
        answer = api.post("/providers", {"name": "r", "url": "mx:", "bounce_mailbox": nothing})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "bounce_mailbox")


def allow_loopback(settings: Any) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


WRONG = [
    ("imap://u:p@h.test", "must begin with imaps"),
    ("imaps://h.test", "user name is missing"),
    ("imaps://u@h.test", "password is missing"),
    ("imaps://u:p@", "must have a host"),
    ("imaps://u:p@h.test:0/", "must have a host"),
    ("imaps://u:p@h.test:99999/", "cannot be parsed"),
    ("imaps://u:p#q@h.test/", "is missing|must have a host|percent"),
    ("pop3s://u:p@h.test/folder", "no folders"),
    ("imaps://u:p@h.test/?keep=maybe", "only option"),
    ("imaps://u:p%0d%0ax@h.test/", "printable"),
    ("nonsense", "must begin with"),
]


@pytest.mark.parametrize(("url", "words"), WRONG)
def test_a_wrong_mailbox_is_refused_by_its_field(api: ApiClient, url: str, words: str) -> None:
    answer = api.post("/providers", {"name": "r", "url": "mx:", "bounce_mailbox": url})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "bounce_mailbox")
    assert re.search(words, error["message"], re.IGNORECASE)
    assert not Provider.objects.exists()


def test_a_mailbox_that_does_not_open_is_refused(server: Any, api: ApiClient, settings: Any) -> None:
    body = {"name": "r", "url": "smtp://127.0.0.1:25?tls=never"}
    allow_loopback(settings)
    answer = api.post("/providers", {**body, "bounce_mailbox": url_of(server, password="secret-1")})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["code"]) == (422, "bounce_mailbox", "mailbox_unusable")
    assert "secret-1" not in str(answer.json())
    settings.PROVIDER_ALLOWED_NETWORKS = []
    answer = api.post("/providers", {"name": "r", "url": "mx:", "bounce_mailbox": url_of(server)})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "bounce_mailbox")
    assert server.login_count == 0
    assert not Provider.objects.exists()


# Unsubscribing by mail


def read_mailto(relay_mail: Any) -> str:
    head = relay_mail.content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode()
    (line,) = [line for line in head.split("\r\n") if line.lower().startswith("list-unsubscribe:")]
    assert line.index("<http") < line.index("<mailto:")
    return line.partition("<mailto:")[2].partition(">")[0]


def test_a_working_mailbox_is_the_address_to_unsubscribe_at(
    project: Project, server: Any, send: Send, deliver: Deliver
) -> None:
    with SmtpServer() as relay:
        url = f"smtp://127.0.0.1:{relay.port}?tls=never"
        provider = Provider.objects.create(project=project, name="relay", kind="smtp", settings=settings_of(url))
        attach(provider, server)
        routes.forget()
        send(enable_unsubscribe=True)
        deliver()
        address, _, query = read_mailto(relay.mails[0]).partition("?subject=")
    assert address == USER
    subject = query.replace("%20", " ").replace("%2B", "+")
    server.add("INBOX", f"From: <one@rcpt.test>\r\nSubject: {subject}\r\n\r\n".encode())
    server.add("INBOX", f"From: <one@rcpt.test>\r\nSubject: {subject[:-4]}aaaa\r\n\r\n".encode())
    # Mail of ours that comes back as it was sent holds the offer, which is no request.
    offer = f"<https://ours.test/u>,\r\n <mailto:{subject.split()[-1]}@reports.test>"
    server.add("INBOX", f"From: <shop@mine.test>\r\nList-Unsubscribe: {offer}\r\nSubject: Hi\r\n\r\n".encode())
    read_due_mailboxes()
    assert (Suppression.objects.get().address, Suppression.objects.get().reason) == ("one@rcpt.test", "unsubscribe")
    assert Event.objects.filter(type="email.unsubscribed").count() == 1
    assert len(server.folders["INBOX"]) == 2
