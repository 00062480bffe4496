"""Requests for delivery status notifications at a relay (DSN, RFC 3461)."""

from contextlib import closing

from tests.smtp_mail import build_delivery, build_transport, send_all
from tests.smtp_server import Script, SmtpServer

OFFERS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "DSN")


def exchange(server: SmtpServer, *, is_final: bool = False, **values: str) -> list[str]:
    with closing(build_transport(server, is_final=is_final)) as transport:
        send_all(transport, [build_delivery(**values)])
    return server.commands


def test_reports_are_asked_for_where_they_are_offered() -> None:
    with SmtpServer(Script(offers=OFFERS)) as server:
        said = exchange(server, envelope_id="0192+a=b", address="o'neil+tag=1@rcpt.test")
    assert any(line.endswith("RET=HDRS ENVID=0192+2Ba+3Db") for line in said)
    expected = "RCPT TO:<o'neil+tag=1@rcpt.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;o'neil+2Btag+3D1@rcpt.test"
    assert expected in said


def test_nothing_is_asked_of_who_offers_no_reports_or_is_the_recipients_own_server() -> None:
    with SmtpServer() as plain, SmtpServer(Script(offers=OFFERS)) as final:
        for said in (exchange(plain, envelope_id="x"), exchange(final, envelope_id="x", is_final=True)):
            assert not [line for line in said if "ENVID" in line or "NOTIFY" in line]


def test_nothing_is_asked_for_without_an_envelope_id() -> None:
    with SmtpServer(Script(offers=OFFERS)) as server:
        assert not [line for line in exchange(server) if "ENVID" in line or "NOTIFY" in line]
