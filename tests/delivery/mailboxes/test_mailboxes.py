"""Mailboxes over IMAP and POP3: new mails once, deletions, and servers that mean no good."""

import ssl
from collections.abc import Iterator

import pytest

from delivery.mailboxes.model import MailboxAddress, MailboxError, MailboxLimits
from delivery.mailboxes.opening import open_mailbox
from delivery.ssrf import Guard
from delivery.tls import make_client_context
from tests.certificates import CertificateAuthority
from tests.mailbox_servers import PASSWORD, USER, ImapServer, Pop3Server

MAILS = [b"Subject: one\r\n\r\n.dot\r\n..\r\nend\r\n", b"Subject: two\r\n\r\nx\r\n"]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context."""
    authority = CertificateAuthority(tmp_path_factory.mktemp("tls"))
    return authority.issue("127.0.0.1"), make_client_context(str(authority.ca_file))


class Box:
    """A server and the way to it."""

    def __init__(self, server: ImapServer | Pop3Server, client: ssl.SSLContext) -> None:
        self.server = server
        self.client = client
        self.protocol = "imaps" if isinstance(server, ImapServer) else "pop3s"

    def address(self, **changes: str) -> MailboxAddress:
        values = {"username": USER, "password": PASSWORD, "folder": "INBOX", **changes}
        return MailboxAddress(protocol=self.protocol, host="127.0.0.1", port=self.server.port, **values)

    def open(self, limits: MailboxLimits | None = None, guard: Guard | None = None, **changes: str):
        return open_mailbox(self.address(**changes), guard=guard, limits=limits, context=self.client)


@pytest.fixture(params=[ImapServer, Pop3Server])
def box(request: pytest.FixtureRequest, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Box]:
    with request.param(tls[0], {"INBOX": list(MAILS), "Bounces &- co": []}) as server:
        yield Box(server, tls[1])


def test_new_mails_are_listed_once_and_fetched_as_they_are(box: Box):
    with box.open() as mailbox:
        ids = mailbox.list_new([])
        assert [mailbox.fetch(mail_id).rstrip() for mail_id in ids] == [mail.rstrip() for mail in MAILS]
        seen = mailbox.remember([], ids)
        mailbox.close()
    box.server.add("INBOX", b"Subject: three\r\n\r\n")
    with box.open() as mailbox:
        new = mailbox.list_new(seen)
        assert [mailbox.fetch(mail_id).strip() for mail_id in new] == [b"Subject: three"]
        seen = mailbox.remember(seen, new)
        assert mailbox.list_new(seen) == []


def test_only_the_named_mails_are_deleted(box: Box):
    with box.open() as mailbox:
        ids = mailbox.list_new([])
        mailbox.delete(ids[:1])
        mailbox.close()
    assert list(box.server.folders["INBOX"].values()) == MAILS[1:]


def test_a_mail_is_cut_at_the_limit(box: Box):
    with box.open(MailboxLimits(mail_bytes=20)) as mailbox:
        assert len(mailbox.fetch(mailbox.list_new([])[0])) <= 20


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"username": "nobody"}])
def test_a_wrong_login_is_told_without_the_password(box: Box, changes: dict[str, str]):
    with pytest.raises(MailboxError, match="refuses the") as told, box.open(**changes):
        pass
    assert "wrong login" not in str(told.value)
    assert PASSWORD not in str(told.value)


def test_the_host_is_guarded_and_its_certificate_checked(box: Box):
    with pytest.raises(MailboxError, match="not at a public address"), box.open(guard=Guard()):
        pass
    with pytest.raises(MailboxError, match="certificate"), open_mailbox(box.address(), guard=None):
        pass
    assert box.server.login_count == 0


def test_a_folder_is_opened_by_its_name(tls: tuple[ssl.SSLContext, ssl.SSLContext]):
    with ImapServer(tls[0], {"INBOX": [], "Bounces &- M&APw-ll": list(MAILS)}) as server:
        box = Box(server, tls[1])
        with box.open(folder="Bounces & Müll") as mailbox:
            assert len(mailbox.list_new([])) == 2
        with pytest.raises(MailboxError, match="refuses the folder None"), box.open(folder="None"):
            pass


def test_without_uidplus_deleted_mails_are_expunged_all_the_same(tls: tuple[ssl.SSLContext, ssl.SSLContext]):
    with ImapServer(tls[0], {"INBOX": list(MAILS)}, fault="no uidplus") as server:
        with Box(server, tls[1]).open() as mailbox:
            mailbox.delete(mailbox.list_new([]))
        assert server.folders["INBOX"] == {}


@pytest.mark.parametrize(("fault", "words"), [("flood", "too m"), ("huge", "too much"), ("hang", "time|timed out")])
def test_a_server_cannot_take_more_than_the_limits(tls: tuple[ssl.SSLContext, ssl.SSLContext], fault: str, words: str):
    limits = MailboxLimits(seconds=0.5 if fault == "hang" else 20.0, total_bytes=2 * 1024 * 1024)
    with (
        ImapServer(tls[0], {"INBOX": []}, fault=fault) as server,
        pytest.raises(MailboxError, match=words),
        Box(server, tls[1]).open(limits) as mailbox,
    ):
        mailbox.list_new([])


def test_a_closed_port_is_no_connection(tls: tuple[ssl.SSLContext, ssl.SSLContext], closed_port: int):
    address = MailboxAddress(protocol="imaps", host="127.0.0.1", port=closed_port, username="u", password="p")
    with pytest.raises(MailboxError, match="no connection"), open_mailbox(address, guard=None, context=tls[1]):
        pass
