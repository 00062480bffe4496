from contextlib import closing
from datetime import timedelta

import pytest

from delivery.envelope import Outcome, Stage
from delivery.smtp.config import Security
from tests.certificates import CertificateAuthority, Kind
from tests.smtp_mail import build_delivery, build_timeouts, build_transport, send, send_to
from tests.smtp_server import Script, Silent, SmtpServer

OFFERS = ("PIPELINING", "STARTTLS", "8BITMIME")


@pytest.fixture(scope="module", params=Kind)
def any_authority(request, tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("authority"), request.param)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority):
    return authority.issue("relay.test", "127.0.0.1")


@pytest.mark.parametrize("security", [Security.OPPORTUNISTIC, Security.STARTTLS])
def test_starttls_is_used_where_it_is_offered(tls, security):
    with SmtpServer(Script(offers=OFFERS, tls=tls)) as server:
        reply = send_to(server, security=security)
    assert reply.outcome is Outcome.ACCEPTED
    assert reply.tls.startswith("TLSv1.")
    assert server.mails[0].is_tls
    assert server.verbs() == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"]


def test_never_is_never(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls)) as server:
        reply = send_to(server, security=Security.NEVER)
    assert (reply.outcome, reply.tls) == (Outcome.ACCEPTED, "")
    assert "STARTTLS" not in server.verbs()


def test_implicit_tls_begins_at_once(tls):
    with SmtpServer(Script(tls=tls, is_tls_implicit=True)) as server:
        reply = send_to(server, security=Security.IMPLICIT)
    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].is_tls
    assert server.verbs()[0] == "EHLO"


def test_large_mail_goes_over_tls(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls)) as server:
        content = b"".join(b".%d\r\n" % number for number in range(100_000))
        assert send_to(server, build_delivery(content=content)).outcome is Outcome.ACCEPTED
    assert server.mails[0].content == content


def test_a_tls_line_is_kept_though_session_tickets_lie_on_it(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls)) as server, closing(build_transport(server)) as transport:
        assert [send(transport).outcome for _ in range(3)] == [Outcome.ACCEPTED] * 3
        assert server.connection_count == 1


def test_a_tls_line_that_the_server_closed_is_replaced(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls)) as server, closing(build_transport(server)) as transport:
        send(transport)
        server.cut_all()
        assert send(transport).outcome is Outcome.ACCEPTED
        assert server.connection_count == 2


# Certificates


@pytest.mark.parametrize("server_name", ["", "relay.test"])
def test_a_certificate_that_fits_is_accepted(any_authority, server_name):
    served = any_authority.issue("relay.test", "127.0.0.1")
    with SmtpServer(Script(offers=OFFERS, tls=served)) as server:
        reply = send_to(
            server,
            security=Security.STARTTLS,
            is_certificate_checked=True,
            ca_file=str(any_authority.ca_file),
            server_name=server_name,
        )
    assert reply.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("security", [Security.OPPORTUNISTIC, Security.STARTTLS, Security.IMPLICIT])
@pytest.mark.parametrize("fault", ["name", "authority", "expired"])
def test_a_certificate_that_does_not_fit_is_refused_in_words(any_authority, security, fault):
    lifetime = timedelta(days=-1 if fault == "expired" else 1)
    served = any_authority.issue("127.0.0.1", lifetime=lifetime)
    script = Script(offers=OFFERS, tls=served, is_tls_implicit=security is Security.IMPLICIT)
    with SmtpServer(script) as server:
        reply = send_to(
            server,
            security=security,
            is_certificate_checked=True,
            ca_file="" if fault == "authority" else str(any_authority.ca_file),
            server_name="other.test" if fault == "name" else "",
        )
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.TLS, True)
    assert not reply.has_reached
    words = {"name": "other.test", "authority": "issuer certificate", "expired": "expired"}[fault]
    assert "the certificate was rejected" in reply.text
    assert words in reply.text
    assert server.mails == []


def test_an_unreadable_authority_is_reported_at_once(tmp_path):
    with SmtpServer() as server, pytest.raises(OSError, match="No such file"):
        build_transport(server, is_certificate_checked=True, ca_file=str(tmp_path / "none.pem"))


def test_an_unchecked_certificate_may_be_anything(authority):
    with SmtpServer(Script(offers=OFFERS, tls=authority.issue("other.test", lifetime=timedelta(days=-1)))) as server:
        assert send_to(server, security=Security.STARTTLS).outcome is Outcome.ACCEPTED


# Without TLS


@pytest.mark.parametrize("values", [{"security": Security.STARTTLS}, {"is_certificate_checked": True}])
def test_required_tls_that_is_not_offered_sends_nothing(values):
    with SmtpServer() as server:
        reply = send_to(server, **values)
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.TLS, True)
    assert reply.text == "the server does not offer STARTTLS"
    assert "MAIL" not in server.verbs()


def test_required_tls_that_is_refused_sends_nothing(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls, replies={"STARTTLS": "454 4.7.0 not now"})) as server:
        reply = send_to(server, security=Security.STARTTLS)
    assert (reply.outcome, reply.stage, reply.code, reply.should_slow) == (Outcome.DEFERRED, Stage.TLS, 454, True)
    assert "MAIL" not in server.verbs()


def test_opportunistic_tls_that_is_refused_goes_on_in_clear(tls):
    with SmtpServer(Script(offers=OFFERS, tls=tls, replies={"STARTTLS": "454 4.7.0 not now"})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.tls) == (Outcome.ACCEPTED, "")
    assert server.connection_count == 1


def test_opportunistic_tls_that_fails_is_followed_by_a_line_in_clear():
    with SmtpServer(Script(offers=OFFERS, replies={"TLS": b"this is no TLS\r\n"})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.tls) == (Outcome.ACCEPTED, "")
    assert server.connection_count == 2
    assert not server.mails[0].is_tls


@pytest.mark.parametrize("values", [{"security": Security.STARTTLS}, {"username": "u", "password": "p"}])
def test_tls_that_fails_sends_nothing_where_it_is_needed(values):
    with SmtpServer(Script(offers=OFFERS, replies={"TLS": b"this is no TLS\r\n"})) as server:
        reply = send_to(server, **values)
    assert (reply.outcome, reply.stage) == (Outcome.DEFERRED, Stage.TLS)
    assert reply.text.startswith("the TLS handshake failed")
    assert server.connection_count == 1


def test_a_handshake_without_end_is_left_at_the_deadline():
    with SmtpServer(Script(offers=OFFERS, replies={"TLS": Silent()})) as server:
        reply = send_to(server, security=Security.STARTTLS, timeouts=build_timeouts(tls=0.3))
    assert (reply.outcome, reply.stage) == (Outcome.DEFERRED, Stage.TLS)
    assert "timed out" in reply.text


# Attacks on the step to TLS


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.OPPORTUNISTIC])
def test_bytes_in_clear_behind_the_answer_to_starttls_are_refused(tls, security):
    script = Script(offers=OFFERS, tls=tls, after_starttls=b"250-evil.test\r\n250 AUTH PLAIN\r\n")
    with SmtpServer(script) as server:
        reply = send_to(server, security=security)
    assert (reply.outcome, reply.stage) == (Outcome.DEFERRED, Stage.TLS)
    assert "plaintext after" in reply.text
    assert server.mails == []


def test_what_was_offered_in_clear_is_forgotten_with_tls(tls):
    offers = ("STARTTLS", "SIZE 10", "PIPELINING")
    with SmtpServer(Script(offers=offers, tls=tls)) as server:
        server.script = Script(offers=offers, tls=tls, replies={"EHLO": [None, "250 server.test"]})
        reply = send_to(server)
    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].parameters == ""
