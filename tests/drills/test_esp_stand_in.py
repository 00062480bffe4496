"""The drills' ESP notes mail before it answers, and sends events that the product accepts or rejects."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drills.stand_ins.esp import EspAnswer, EspMail, EspStandIn, build_event
from providers.esp.services import mailgun
from providers.esp.signatures import ForgedError, Posted, check_signature

MAIL = EspMail(address="one@rcpt.test", remote_id="<one@esp.test>", variables={})
FORM = (
    '--b\r\nContent-Disposition: form-data; name="to"\r\n\r\none@rcpt.test\r\n'
    '--b\r\nContent-Disposition: form-data; name="v:id"\r\n\r\n7\r\n'
    '--b\r\nContent-Disposition: form-data; name="message"; filename="m"\r\nContent-Type: message/rfc822\r\n\r\n'
    "Message-ID: <one@drill.test>\r\nSubject: Hi\r\n\r\nHello.\r\n\r\n--b--\r\n"
)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[EspStandIn]:
    with EspStandIn(tmp_path / "journal", lambda _address, _count: EspAnswer()) as server:
        yield server


def call(stand_in: EspStandIn) -> tuple[int, bytes]:
    connection = HTTPConnection(urlsplit(stand_in.api_url).netloc, timeout=10)
    try:
        connection.request(
            "POST", "/mine.test/messages.mime", FORM.encode(), {"Content-Type": "multipart/form-data; boundary=b"}
        )
        with connection.getresponse() as answer:
            return answer.status, answer.read()
    finally:
        connection.close()


def test_a_mail_is_in_the_journal_when_the_call_is_answered(stand_in, tmp_path):
    status, body = call(stand_in)
    assert (status, stand_in.mails["one@rcpt.test"].remote_id in body.decode()) == (200, True)
    assert (tmp_path / "journal").read_text() == "<one@drill.test> one@rcpt.test\n"
    assert stand_in.mails["one@rcpt.test"].variables == {"id": "7"}


def test_what_is_refused_is_not_taken_and_nonsense_is(stand_in):
    told = {0: EspAnswer(is_taken=False, status=429, body=b"{}"), 1: EspAnswer(body=b"\xff")}
    stand_in.rule = lambda _address, count: told.get(count, EspAnswer())
    assert call(stand_in) == (429, b"{}")
    assert not stand_in.taken
    assert call(stand_in) == (200, b"\xff")
    assert [mail.address for mail in stand_in.taken] == ["one@rcpt.test"]


@pytest.mark.parametrize(("key", "is_believed"), [("drills-signing-key", True), ("not-the-key", False)])
def test_events_are_signed_with_the_key_that_is_given(key, is_believed):
    posted = Posted(body=json.dumps(build_event("delivered", MAIL, key=key)).encode(), headers={})
    if is_believed:
        check_signature(mailgun.check_signature, "drills-signing-key", posted)
    else:
        with pytest.raises(ForgedError):
            check_signature(mailgun.check_signature, "drills-signing-key", posted)
