"""The SMTP transport against a server that we did not write."""

from contextlib import closing
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from delivery.envelope import Outcome
from delivery.smtp.config import Security
from emailsvc.launcher.ports import held_port
from tests.certificates import CertificateAuthority
from tests.smtp_mail import CONTENT, build_delivery, build_transport, send, send_to


class Collector:
    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):
        if b"refuse me" in envelope.content:
            return "554 5.6.0 refused"
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return "250 2.0.0 taken"

    async def handle_RCPT(self, server, session, envelope, address, _options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"


class FreePortController(Controller):
    """aiosmtpd's, which learns its port when it listens."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def run_server():
    running = []

    def stop(controller):
        if controller in running:
            running.remove(controller)
            controller.stop()

    def run(*, port=0, **values):
        collector = Collector()
        controller = FreePortController(collector, hostname="127.0.0.1", port=port, **values)
        controller.start()
        running.append(controller)
        return SimpleNamespace(port=controller.port, taken=collector.taken, stop=lambda: stop(controller))

    yield run
    for controller in running:
        stop(controller)


def test_mail_arrives_unchanged_over_a_kept_connection(run_server):
    server = run_server()
    naughty = b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n" + b"y" * 900 + b"\r\n"
    with closing(build_transport(server)) as transport:
        assert send(transport).outcome is Outcome.ACCEPTED
        assert send(transport, content=naughty, return_path="").outcome is Outcome.ACCEPTED
    assert server.taken == [
        ("bounces@sender.test", ["one@rcpt.test"], CONTENT, False),
        ("<>", ["one@rcpt.test"], naughty, False),
    ]


def test_rejections_are_reported_and_affect_no_other_mail(run_server):
    server = run_server()
    with closing(build_transport(server)) as transport:
        bounced = send(transport, address="nobody@rcpt.test")
        failed = send(transport, content=b"Subject: x\r\n\r\nrefuse me\r\n")
        accepted = send(transport)
    assert (bounced.outcome, bounced.should_suppress) == (Outcome.BOUNCED, True)
    assert (failed.outcome, failed.enhanced_code) == (Outcome.FAILED, "5.6.0")
    assert accepted.outcome is Outcome.ACCEPTED
    assert len(server.taken) == 1


def test_its_size_limit_is_kept(run_server):
    server = run_server(data_size_limit=1000)
    reply = send_to(server, build_delivery(content=b"x" * 2000 + b"\r\n"))
    assert (reply.outcome, reply.enhanced_code, reply.has_reached) == (Outcome.FAILED, "5.3.4", False)


def test_tls_and_credentials(run_server, tmp_path):
    authority = CertificateAuthority(tmp_path)

    def authenticate(_server, _session, _envelope, mechanism, data):
        return AuthResult(handled=False, success=(data.login, data.password) == (b"ann", b"secret"))

    server = run_server(
        tls_context=authority.issue("127.0.0.1"), require_starttls=True, auth_required=True, authenticator=authenticate
    )
    values = {"security": Security.STARTTLS, "is_certificate_checked": True, "ca_file": str(authority.ca_file)}
    assert send_to(server, **values, username="ann", password="secret").outcome is Outcome.ACCEPTED
    refused = send_to(server, **values, username="ann", password="wrong")
    assert (refused.outcome, refused.code, refused.should_pause) == (Outcome.DEFERRED, 535, True)
    without = send_to(server, **values)
    assert (without.outcome, without.code, without.should_pause) == (Outcome.DEFERRED, 530, True)
    assert [is_tls for *_, is_tls in server.taken] == [True]


@pytest.mark.slow("starts an SMTP server twice")
def test_a_restart_of_the_server_is_survived(run_server):
    with held_port() as port:
        server = run_server(port=port)
        with closing(build_transport(server)) as transport:
            assert send(transport).outcome is Outcome.ACCEPTED
            server.stop()
            assert send(transport).outcome is Outcome.DEFERRED
            again = run_server(port=port)
            assert send(transport).outcome is Outcome.ACCEPTED
    assert (len(server.taken), len(again.taken)) == (1, 1)
