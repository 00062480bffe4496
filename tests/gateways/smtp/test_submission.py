"""Mail that SMTP clients submit: who may, what becomes of it, and what is refused."""

import json
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from accounts.installation.limits import LimitValues, set_limits
from accounts.models import ApiKey
from accounts.services import create_api_key, revoke_api_key
from emailsvc.launcher.ports import held_port
from emailsvc.web.health import check_submission
from gateways.smtp import server as server_module
from gateways.smtp.server import SubmissionServer
from messages.models import Attachment, Message, Recipient
from messages.sending.composing import compose_raw
from tests.gateways.smtp.submission import Submitting, submitting

pytestmark = pytest.mark.django_db(transaction=True)

SHOP = "shop@mine.test"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Submitting]:
    with submitting(tmp_path_factory.mktemp("submission")) as running:
        yield running


@pytest.fixture(autouse=True)
def _senders(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]


@pytest.fixture
def token(api_key: ApiKey) -> str:
    return create_api_key(api_key.owner, scopes=["emails:send"])[1]


def build_mail(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    given = {"From": f"Shop <{SHOP}>", "To": "One <one@rcpt.test>", "Subject": "Hello", **headers}
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Dear you,\n")
    return mail


def submit(client: smtplib.SMTP, content: bytes, *recipients: str) -> tuple[int, str]:
    """One transaction; the reply after the final dot, or the first refusal."""
    client.ehlo_or_helo_if_needed()
    code, words = client.mail(SHOP)
    for recipient in recipients or ("one@rcpt.test",):
        if code == 250:
            code, words = client.rcpt(recipient)
    if code == 250:
        code, words = client.data(content)
    client.rset()
    return code, words.decode()


def send(door: Submitting, token: str, mail: EmailMessage, *recipients: str) -> tuple[int, str]:
    with closing(door.login(token)) as client:
        return submit(client, mail.as_bytes(policy=SMTP), *recipients)


def test_a_mail_is_accepted_with_its_id_in_the_reply(door: Submitting, token: str) -> None:
    mail = build_mail(Cc="Two <two@rcpt.test>", Reply_To="help@mine.test", X_Own="1", Bcc="third@rcpt.test")
    mail["Message-ID"], mail["Date"], mail["Received"] = "<old@client.test>", "Mon, 1 Jan 2024 00:00:00 +0000", "from x"
    mail["DKIM-Signature"], mail["Return-Path"], mail["X-Emailsvc-Id"] = "v=1", "<a@b.test>", "forged"
    code, words = send(door, token, mail, "one@rcpt.test", "two@rcpt.test", "three@rcpt.test")
    message = Message.objects.get()
    assert (code, words) == (250, f"2.0.0 Accepted as {message.pk}")
    rows = Recipient.objects.order_by("position").values_list("kind", "name", "address")
    assert list(rows) == [
        ("to", "One", "one@rcpt.test"),
        ("cc", "Two", "two@rcpt.test"),
        ("bcc", "", "three@rcpt.test"),
    ]
    assert (message.from_name, message.from_address, message.subject) == ("Shop", SHOP, "Hello")
    assert message.reply_to == [{"name": "", "address": "help@mine.test"}]
    assert message.headers == [["X-Own", "1"]]
    assert message.content.text == "Dear you,\n"
    raw = compose_raw(message.pk, Recipient.objects.get(kind="to"))
    for dropped in (b"old@client.test", b"2024", b"third@", b"three@", b"forged", b"a@b.test"):
        assert dropped not in raw


def test_the_message_id_of_the_client_finds_the_mail(door: Submitting, token: str, api: Any) -> None:
    mail = build_mail()
    mail["Message-ID"] = "<old-1@client.test>"
    send(door, token, mail)
    found = [api.get(f"/emails?remote_id={text}").json()["data"] for text in ("old-1@client.test", "other@client.test")]
    assert [[row["id"] for row in rows] for rows in found] == [[str(Message.objects.get().pk)], []]


def test_files_keep_their_bytes_and_an_inline_image_its_place(door: Submitting, token: str) -> None:
    picture, sheet = bytes(range(256)) * 3, b"\x00\r\n.\r\n\xff" * 50
    mail = build_mail()
    mail.add_alternative('<p><img src="cid:logo@mine"></p>', subtype="html")
    mail.get_payload()[1].add_related(picture, "image", "png", cid="<logo@mine>", filename="logo.png")
    mail.add_attachment(sheet, "application", "pdf", filename="Überblick.pdf")
    assert send(door, token, mail)[0] == 250
    files = {each.filename: each for each in Attachment.objects.select_related("content")}
    assert (bytes(files["logo.png"].content.data or b""), files["logo.png"].cid) == (picture, "logo@mine")
    assert (bytes(files["Überblick.pdf"].content.data or b""), files["Überblick.pdf"].cid) == (sheet, "")
    assert "cid:logo@mine" in Message.objects.get().content.html


def test_one_transaction_for_each_recipient_mails_nobody_twice(door: Submitting, token: str) -> None:
    people = ["one@rcpt.test", "two@rcpt.test", "hidden@rcpt.test"]
    mail = build_mail(Cc="Two <two@rcpt.test>")
    with closing(door.login(token)) as client:
        replies = [submit(client, mail.as_bytes(policy=SMTP), person) for person in people]
    assert [code for code, _ in replies] == [250] * 3
    rows = list(Recipient.objects.order_by("message_id").values_list("address", "kind"))
    assert rows == [("one@rcpt.test", "to"), ("two@rcpt.test", "cc"), ("hidden@rcpt.test", "bcc")]
    for row in Recipient.objects.all():
        raw = compose_raw(row.message_id, row)
        assert b"To: One <one@rcpt.test>\r\nCc: Two <two@rcpt.test>\r\n" in raw
        assert b"hidden@" not in raw


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (None, b"To: One <one@rcpt.test>\r\n"),
        ({"to": ["three@rcpt.test"]}, b"To: three@rcpt.test\r\n"),
    ],
)
def test_a_resend_shows_the_header_again_unless_it_goes_to_others(
    door: Submitting, token: str, api: Any, body: dict[str, Any] | None, shown: bytes
) -> None:
    send(door, token, build_mail(), "two@rcpt.test")
    Recipient.objects.update(status="failed", next_attempt_at=None)
    Message.objects.update(status="failed")
    answer = api.post(f"/emails/{Message.objects.get().pk}/resend", body or {})
    assert answer.status_code == 202, answer.content
    row = Recipient.objects.get(message_id=answer.json()["id"])
    raw = compose_raw(row.message_id, row)
    assert shown in raw
    assert raw.count(b"@rcpt.test") == 1


def test_control_headers_set_what_a_request_sets(door: Submitting, token: str) -> None:
    mail = build_mail(
        X_Emailsvc_Tags="receipt, größe",
        X_Emailsvc_Metadata='{"order": "1042"}',
        X_Emailsvc_Scheduled_At="2126-01-01T00:00:00Z",
        X_Emailsvc_Track_Opens="yes",
        X_Emailsvc_Track_Clicks="false",
        X_Emailsvc_Stream="default",
    )
    code, words = send(door, token, mail)
    assert (code, "X-Emailsvc-Scheduled-At: " in words) == (554, True)
    del mail["X-Emailsvc-Scheduled-At"]
    assert send(door, token, mail)[0] == 250
    message = Message.objects.get()
    assert (message.tags, message.metadata) == (["receipt", "größe"], {"order": "1042"})
    assert (message.track_opens, message.track_clicks, message.headers) == (True, False, [])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("X-Emailsvc-Sheduled-At", "2030-01-01T00:00:00Z", "Did you mean X-Emailsvc-Scheduled-At?"),
        ("X-Emailsvc-Stream", "nowhere", "X-Emailsvc-Stream: "),
        ("X-Emailsvc-Metadata", "{", "X-Emailsvc-Metadata: "),
        ("X-Emailsvc-Track-Opens", "perhaps", "X-Emailsvc-Track-Opens: "),
        ("X-Emailsvc-Tags", ",".join(map(str, range(11))), "X-Emailsvc-Tags: "),
        ("X-SMTPAPI", "{}", "X-SMTPAPI: "),
    ],
)
def test_a_wrong_header_is_named_and_nothing_is_stored(
    door: Submitting, token: str, name: str, value: str, said: str
) -> None:
    mail = build_mail()
    mail[name] = value
    code, words = send(door, token, mail)
    assert (code, words.startswith("5.6.0 "), said in words) == (554, True, True), words
    assert not Message.objects.exists()


def test_a_repeated_mail_has_one_id_by_its_idempotency_key(door: Submitting, token: str) -> None:
    tries = [build_mail(X_Emailsvc_Idempotency_Key="order-1042") for _ in range(2)]
    for number, mail in enumerate(tries):
        mail["Message-ID"] = f"<try-{number}@client.test>"
    replies = [send(door, token, mail) for mail in tries]
    assert replies[0] == replies[1]
    assert replies[0][0] == 250
    assert Message.objects.count() == 1
    other = build_mail(X_Emailsvc_Idempotency_Key="order-1042", Cc="two@rcpt.test")
    code, words = send(door, token, other)
    assert (code, "different request" in words) == (554, True)


@pytest.mark.parametrize("kind", ["signed", "encrypted"])
def test_mail_with_a_structure_of_its_own_is_refused(door: Submitting, token: str, kind: str) -> None:
    raw = (
        f"From: {SHOP}\r\nTo: one@rcpt.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/{kind}; boundary="b"; protocol="application/pgp-{kind}"\r\n\r\n'
        "--b\r\n\r\nHello\r\n--b--\r\n"
    )
    with closing(door.login(token)) as client:
        code, words = submit(client, raw.encode())
    assert (code, words.startswith("5.6.0 multipart/"), Message.objects.count()) == (554, True, 0)


def test_a_foreign_sender_is_refused(door: Submitting, token: str) -> None:
    with patch("providers.routing.selection.routes.is_local_only", return_value=False):
        code, words = send(door, token, build_mail(From="shop@foreign.test"))
    assert (code, words.startswith("5.7.1 "), Message.objects.count()) == (550, True, 0)


def test_both_ports_take_both_kinds_of_login(door: Submitting, token: str, api_key: ApiKey) -> None:
    context = ssl.create_default_context(cafile=str(door.certificate))
    for user, mechanism in (("emailsvc", "PLAIN"), (api_key.owner.name.upper(), "LOGIN")):
        with (
            closing(smtplib.SMTP_SSL("127.0.0.1", door.tls_port, timeout=20, context=context)) as secure,
            closing(door.connect()) as plain,
        ):
            for client in (secure, plain):
                client.ehlo()
                client.user, client.password = user, token
                login = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism]
                assert client.auth(mechanism, login)[0] == 235
                assert submit(client, build_mail().as_bytes(policy=SMTP))[0] == 250
            assert "starttls" not in secure.esmtp_features
    assert Message.objects.count() == 4


def test_a_login_needs_tls_on_loopback_too(door: Submitting, token: str) -> None:
    with closing(smtplib.SMTP("127.0.0.1", door.port, timeout=20)) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        secret = b64encode(f"\0emailsvc\0{token}".encode()).decode()
        assert client.docmd("AUTH", f"PLAIN {secret}")[0] == 538
        assert client.mail(SHOP)[0] == 530


def test_what_is_said_in_clear_behind_starttls_is_not_obeyed(door: Submitting) -> None:
    """CVE-2024-34083: whoever sits on the line would have commands of their own obeyed as the client's."""
    context = ssl.create_default_context(cafile=str(door.certificate))
    with socket.create_connection(("127.0.0.1", door.port), 20) as line, line.makefile("rb") as told:
        told.readline()
        line.sendall(b"STARTTLS\r\nNOOP\r\nVRFY evil@x.test\r\n")
        assert told.readline().startswith(b"220 ")
        with context.wrap_socket(line, server_hostname="127.0.0.1") as secure, secure.makefile("rb") as heard:
            secure.sendall(b"EHLO x\r\nQUIT\r\n")
            replies = heard.read()
    assert replies.startswith(b"250-mail.test\r\n")
    assert (replies.count(b"\r\n221 "), b"252" in replies) == (1, False)


def test_a_handshake_that_a_client_breaks_off_is_no_failure_of_the_server(
    door: Submitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can do it as often as they like: a line at ERROR for each would call the operator."""
    failures: list[Exception] = []
    monkeypatch.setattr(SubmissionServer, "note_failure", lambda _server, error: failures.append(error))
    with socket.create_connection(("127.0.0.1", door.port), 20) as line, line.makefile("rb") as told:
        told.readline()
        line.sendall(b"STARTTLS\r\n")
        assert told.readline().startswith(b"220 ")
        line.sendall(b"this is no TLS\r\n")
        told.read()
    assert failures == []


def test_nobody_relays_without_a_login(door: Submitting) -> None:
    with closing(door.connect()) as client:
        client.ehlo()
        assert client.mail(SHOP) == (530, b"5.7.0 Authentication required")
        assert client.rcpt("victim@elsewhere.test")[0] in {503, 530}
        assert client.docmd("DATA")[0] in {503, 530}
    assert not Message.objects.exists()


def test_a_wrong_login_is_refused_and_the_third_ends_the_connection(
    door: Submitting, token: str, api_key: ApiKey
) -> None:
    read_only = create_api_key(api_key.owner, scopes=["emails:read"])[1]
    tries = [("emailsvc", "es_live_wrong"), ("somebody", token), ("emailsvc", read_only)]
    with closing(door.connect()) as client:
        client.ehlo()
        codes = []
        for user, password in tries:
            secret = b64encode(f"\0{user}\0{password}".encode()).decode()
            codes.append(client.docmd("AUTH", f"PLAIN {secret}"))
        assert [code for code, _ in codes] == [535, 535, 550]
        assert b"emails:send" in codes[2][1]
        assert client.getreply()[0] == 421


def test_a_key_that_was_revoked_meanwhile_sends_no_more(door: Submitting, token: str) -> None:
    with closing(door.login(token)) as client:
        assert submit(client, build_mail().as_bytes(policy=SMTP))[0] == 250
        revoke_api_key(ApiKey.objects.latest("created_at"))
        code, words = submit(client, build_mail().as_bytes(policy=SMTP))
    assert (code, words.startswith("5.7.8 "), Message.objects.count()) == (535, True, 1)


SMUGGLED = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<victim@rcpt.test>\r\nDATA\r\nFrom: a@b.test\r\n\r\nsmuggled\r\n"


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n"], ids=repr
)
def test_no_second_mail_is_smuggled_behind_a_false_end(door: Submitting, token: str, end: bytes) -> None:
    head = f"From: {SHOP}\r\nTo: one@rcpt.test\r\nSubject: x\r\n\r\nfirst".encode()
    with closing(door.login(token)) as client:
        client.ehlo()
        client.mail(SHOP)
        client.rcpt("one@rcpt.test")
        assert client.docmd("DATA")[0] == 354
        client.send(head + end + SMUGGLED + b"\r\n.\r\n")
        code, words = client.getreply()
        assert (code, words[:6]) == (554, b"5.6.0 ")
        assert client.noop()[0] == 250
    assert not Message.objects.exists()


def test_dots_at_the_begin_of_lines_arrive_as_they_were(door: Submitting, token: str) -> None:
    mail = build_mail()
    mail.set_content("one\n.\n..two\n")
    assert send(door, token, mail)[0] == 250
    assert Message.objects.get().content.text == "one\n.\n..two\n"


def test_a_message_of_40_mib_is_refused_before_its_data(door: Submitting, token: str) -> None:
    size = 40 * 1024 * 1024
    with closing(door.login(token)) as client:
        client.ehlo()
        assert int(client.esmtp_features["size"]) < size
        code, words = client.mail(SHOP, [f"SIZE={size}"])
        assert (code, words[:6]) == (552, b"5.3.4 ")
        # And one that did not say so, after it; the connection goes on.
        client.mail(SHOP)
        client.rcpt("one@rcpt.test")
        line = b"x" * 76 + b"\r\n"
        code, words = client.data(b"Subject: x\r\n\r\n" + line * (size // len(line)))
        assert (code, words[:6]) == (552, b"5.3.4 ")
        assert client.noop()[0] == 250
    assert not Message.objects.exists()


@pytest.mark.parametrize("is_secure", [False, True])
def test_one_peer_has_a_number_of_connections(door: Submitting, is_secure: bool) -> None:
    limit, port = 50, door.tls_port if is_secure else door.port
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(200)]
        if is_secure:
            # They say nothing; those beyond the limit are cut off.
            refused = [line for line in lines[limit:] if is_cut(line)]
            assert len(refused) == len(lines) - limit
        else:
            greetings = [line.recv(3) for line in lines]
            assert greetings == [b"220"] * limit + [b"421"] * (len(lines) - limit)


def is_cut(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_limit_of_the_key_is_told_as_passing(door: Submitting, token: str, api_key: ApiKey) -> None:
    set_limits("test", api_key.owner, LimitValues(messages_per_day=1))
    mail = build_mail(X_Emailsvc_Idempotency_Key="once")
    with closing(door.login(token)) as client:
        first = submit(client, mail.as_bytes(policy=SMTP))
        code, words = submit(client, build_mail().as_bytes(policy=SMTP))
        # An answer that was given already costs nothing.
        assert submit(client, mail.as_bytes(policy=SMTP)) == first
    assert (first[0], code, words[:6], Message.objects.count()) == (250, 451, "4.7.1 ", 1)


def test_what_may_pass_is_told_as_such(door: Submitting, token: str) -> None:
    with patch("gateways.smtp.accepting.services.upload_and_prepare", side_effect=OperationalError("away")):
        code, words = send(door, token, build_mail())
    assert (code, words.startswith("4.3.0 ")) == (451, True)


def test_an_address_that_is_none_is_refused_at_its_command(door: Submitting, token: str) -> None:
    with closing(door.login(token)) as client:
        client.ehlo()
        client.mail(SHOP)
        code, words = client.rcpt("one@localhost")
        assert (code, words[:6]) == (553, b"5.1.3 ")
        codes = [client.rcpt(f"r{number}@rcpt.test")[0] for number in range(51)]
        assert codes == [250] * 50 + [452]


def test_every_reply_has_an_enhanced_code(door: Submitting, token: str) -> None:
    with closing(door.login(token)) as client:
        client.ehlo()
        said = [
            client.docmd(text) for text in ("NOOP", "NONSENSE", "RCPT TO:<a@b.test>", "VRFY a@b.test", "RSET", "QUIT")
        ]
    assert all(words[:1].decode() == str(code)[0] and words[1:2] == b"." for code, words in said), said


def test_a_line_without_a_login_ends(door: Submitting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LOGIN_SECONDS", 0.05)
    with closing(smtplib.SMTP("127.0.0.1", door.port, timeout=20)) as client:
        assert client.getreply() == (421, b"4.7.0 No login came in time")


def test_ready_and_health_ask_the_server(door: Submitting, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.SUBMISSION_ADDRESS = f"127.0.0.1:{door.port}"
    call_command("ready", "submission", "--json")
    assert json.loads(capsys.readouterr().out) == {"program": "submission", "status": "ready"}
    assert check_submission().status == "ok"
    with held_port() as port:
        settings.SUBMISSION_ADDRESS = f"127.0.0.1:{port}"
        assert check_submission().status == "warning"
        with pytest.raises(CommandError, match="submission: does not answer"):
            call_command("ready", "submission")
