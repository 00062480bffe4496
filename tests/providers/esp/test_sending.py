"""Each ESP of the table accepts a mail at a stand-in for its API, and rejects one in all its ways."""

import re
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.http_client import HttpClient, HttpSeconds
from delivery.mime.attachments import Attachment
from delivery.mime.headers import Mailbox
from delivery.mime.message import MessageContent, prepare_message
from providers.configuration.checks import check_settings
from providers.esp import transport as esp
from providers.esp.catalog import ESPS
from providers.esp.transport import EspTransport
from providers.models import ProviderKind
from providers.routing.selection import ProviderRef
from providers.transports import build_transport
from tests.certificates import CertificateAuthority
from tests.certificates import Kind as AuthorityKind
from tests.esp_cases import CASES, Case
from tests.esp_server import EspServer
from tests.esp_server import Reply as Said

MESSAGE_ID = uuid4()
QUICK = HttpSeconds(connect=1.0, write=1.0, answer=0.3)


def grant_all(ids: Collection[UUID]) -> Collection[UUID]:
    return ids


def compose(**values: object) -> MessageContent:
    usual = {
        "from_": Mailbox(name="The Shop, Ltd.", address="shop@mine.test"),
        "to": [Mailbox(name="", address="one@rcpt.test")],
        "subject": "Grüße: your order",
        "date": datetime(2026, 1, 1, tzinfo=UTC),
        "message_id": f"{MESSAGE_ID}@mine.test",
        "text": "Hello.\n",
        "html": "<p>Hello.</p>",
        "headers": [("X-Order", "17")],
    }
    return MessageContent(**{**usual, **values})  # type: ignore[arg-type]


def build(*addresses: str, content: MessageContent | None = None) -> list[Delivery]:
    message = content or compose(to=[Mailbox(address=address) for address in addresses])
    rendered = prepare_message(message).render()
    return [
        Delivery(
            recipient_id=uuid4(),
            message_id=MESSAGE_ID,
            return_path="bounces@mine.test",
            address=address,
            content=rendered,
            message=message,
        )
        for address in addresses
    ]


@contextmanager
def open_transport(case: Case, server: EspServer | str, **more: str) -> Iterator[EspTransport]:
    url = server if isinstance(server, str) else server.url
    settings = {name: value for name, value in case.url(url, **more).items() if name != "esp"}
    transport = EspTransport(ESPS[case.name], settings, HttpClient(seconds=QUICK))
    try:
        yield transport
    finally:
        transport.close()


def send(
    case: Case,
    server: EspServer | str,
    deliveries: list[Delivery],
    before_dot: Callable[..., Collection[UUID]] = grant_all,
) -> list[Reply]:
    with open_transport(case, server) as transport:
        replies = dict(transport.transmit(deliveries, before_dot))
    return [replies[one.recipient_id] for one in deliveries if one.recipient_id in replies]


every_esp = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
# Where who gets a mail is whom its header names.
without_envelope = pytest.mark.parametrize(
    "case", [case for name, case in CASES.items() if not ESPS[name].takes_envelope], ids=lambda case: case.name
)
# Mailjet's answer tells of each recipient.
answers_as_a_whole = pytest.mark.parametrize(
    "case", [case for name, case in CASES.items() if name != "mailjet"], ids=lambda case: case.name
)


@every_esp
def test_a_mail_is_taken_under_the_esps_own_name_for_it(case: Case) -> None:
    with EspServer(case.taken) as server:
        deliveries = build("one@rcpt.test")
        (reply,) = send(case, server, deliveries)
        (call,) = server.calls
    assert reply.remote_host == "127.0.0.1"
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.ACCEPTED, Stage.DOT, case.taken.status)
    assert reply.has_reached
    assert reply.remote_id
    assert case.remote_id in {None, reply.remote_id}
    assert (call.method, call.path) == ("POST", case.path)
    name, value = case.key
    assert call.headers[name].startswith(value)
    assert case.read_addresses(call) == ["one@rcpt.test"]
    ids = {"emailsvc_message": str(MESSAGE_ID), "emailsvc_recipient": str(deliveries[0].recipient_id)}
    assert case.read_metadata(call) in (ids, None)


def test_an_id_that_no_row_can_hold_is_written_without_it() -> None:
    answer = Said(200, rb'{"id": "a\u0000b\ud800c"}')
    with EspServer(answer) as server, open_transport(CASES["resend"], server) as transport:
        [(_, reply)] = transport.transmit(build("one@rcpt.test"), grant_all)
    assert (reply.outcome, reply.remote_id) == (Outcome.ACCEPTED, "a b?c")


# By `requests`, and by botocore.
@pytest.mark.parametrize("name", ["postmark", "ses"])
@pytest.mark.parametrize("kind", AuthorityKind)
def test_certificates_are_checked_as_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: AuthorityKind
) -> None:
    case = CASES[name]
    authority = CertificateAuthority(tmp_path, kind)
    with EspServer(case.taken, tls=authority.issue("127.0.0.1")) as server:
        (refused,) = send(case, server, build("one@rcpt.test"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        (taken,) = send(case, server, build("one@rcpt.test"))
    assert (refused.outcome, refused.has_reached, len(server.calls)) == (Outcome.DEFERRED, False, 1)
    assert "certificate" in refused.text
    assert taken.outcome is Outcome.ACCEPTED


@every_esp
def test_what_the_mail_says_arrives(case: Case) -> None:
    picture = Attachment(filename="ü.png", content_type="image/png", content=b"\x89PNG\x00", content_id="")
    with EspServer(case.taken) as server:
        (reply,) = send(case, server, build("one@rcpt.test", content=compose(attachments=[picture])))
        (call,) = server.calls
    assert reply.outcome is Outcome.ACCEPTED
    if ESPS[case.name].takes_raw:
        return
    text = call.body.decode().encode().decode("unicode_escape").encode("latin-1", "replace").decode("utf-8", "replace")
    for part in ("your order", "Hello.", "<p>Hello.</p>", "X-Order", "iVBORwA=", "The Shop, Ltd."):
        assert part in text, part
    assert "DKIM" not in text
    assert "mime" not in text.lower().replace("mimetype", "")


@pytest.mark.parametrize("name", ["ses", "mailgun"])
def test_our_own_bytes_go_where_they_are_taken(name: str) -> None:
    case = CASES[name]
    content = compose(cc=[Mailbox(address="boss@rcpt.test")])
    with EspServer(case.taken) as server:
        send(case, server, build("one@rcpt.test", content=content))
        (call,) = server.calls
    rendered = prepare_message(content).render()
    if name == "ses":
        assert b64decode(call.json["Content"]["Raw"]["Data"]) == rendered
    else:
        assert rendered in call.body
    assert case.read_addresses(call) == ["one@rcpt.test"]


@every_esp
def test_recipients_of_the_same_content_go_together(case: Case) -> None:
    content = compose(to=[Mailbox(address="one@rcpt.test")], cc=[Mailbox(address="Two@rcpt.test")])
    with EspServer(case.taken) as server:
        send(case, server, build("one@rcpt.test", "Two@rcpt.test", "hidden@rcpt.test", content=content))
        (call,) = server.calls
    assert case.read_addresses(call) == ["one@rcpt.test", "Two@rcpt.test", "hidden@rcpt.test"]
    metadata = case.read_metadata(call)
    assert metadata is None or metadata == {"emailsvc_message": str(MESSAGE_ID)}


@every_esp
def test_own_copies_go_alone(case: Case) -> None:
    both = [Mailbox(address="one@rcpt.test"), Mailbox(address="two@rcpt.test")]
    deliveries = [
        build("one@rcpt.test", content=compose(to=both, text="for one"))[0],
        build("two@rcpt.test", content=compose(to=both, text="for two"))[0],
    ]
    with EspServer(case.taken) as server:
        send(case, server, deliveries)
        assert [case.read_addresses(call) for call in server.calls] == [["one@rcpt.test"], ["two@rcpt.test"]]


@without_envelope
def test_blind_copies_do_not_see_each_other(case: Case) -> None:
    content = compose(to=[], cc=[])
    with EspServer(case.taken) as server:
        send(case, server, build("one@rcpt.test", "two@rcpt.test", content=content))
        assert [case.read_addresses(call) for call in server.calls] == [["one@rcpt.test"], ["two@rcpt.test"]]


@every_esp
def test_nothing_is_written_for_a_lost_lease(case: Case) -> None:
    with EspServer(case.taken) as server:
        deliveries = build("one@rcpt.test", "two@rcpt.test")
        assert send(case, server, deliveries, lambda ids: []) == []
        assert server.calls == []
        asked: list[tuple[UUID, ...]] = []

        def grant_first(ids: Collection[UUID]) -> Collection[UUID]:
            asked.append(tuple(ids))
            return [deliveries[0].recipient_id]

        (reply,) = send(case, server, deliveries, grant_first)
        assert [case.read_addresses(call) for call in server.calls] == [["one@rcpt.test"]]
    assert reply.outcome is Outcome.ACCEPTED
    assert asked == [tuple(one.recipient_id for one in deliveries)]


@every_esp
def test_a_grant_that_comes_late_is_used_on_a_new_connection(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an outage of the database: the server may have closed the old one."""
    monkeypatch.setattr(esp, "STALE_SECONDS", 0.0)
    asked: list[Collection[UUID]] = []

    def grant(ids: Collection[UUID]) -> Collection[UUID]:
        asked.append(ids)
        return ids

    with EspServer(case.taken) as server:
        (reply,) = send(case, server, build("one@rcpt.test"), grant)
        assert (reply.outcome, len(server.calls), len(asked)) == ("accepted", 1, 1)


@every_esp
def test_a_refused_connection_only_delays_mail(case: Case) -> None:
    with EspServer() as gone:
        url = gone.url
    (reply,) = send(case, url, build("one@rcpt.test"), lambda ids: pytest.fail("nothing may be granted"))
    assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.DEFERRED, Stage.CONNECT, False)
    assert (reply.should_pause, reply.should_slow) == (False, False)


def send_each(case: Case, *saids: Said) -> list[Reply]:
    """One mail for each thing that the ESP says, each in one call."""
    with EspServer(*saids) as server, open_transport(case, server) as transport:
        replies = [next(transport.transmit(build("one@rcpt.test"), grant_all))[1] for _ in saids]
        assert len(server.calls) == len(saids)
    return replies


NONSENSE = [
    Said(is_cut=True),
    Said(200, b"<html>Welcome to the hotel's network</html>", {"Content-Type": "text/html"}),
    Said(200, b'{"id": '),
    Said(200, b"[]"),
    Said(200, {"id": None, "results": [], "Messages": {}, "MessageId": {}}),
    Said(504, b"gateway timeout"),
    Said(delay=5.0),
]


@every_esp
def test_an_unknown_outcome_is_uncertain(case: Case) -> None:
    for said, reply in zip(NONSENSE, send_each(case, *NONSENSE), strict=True):
        assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.UNCERTAIN, Stage.DOT, True), said


@every_esp
def test_our_own_fault_pauses_the_provider_and_affects_no_mail(case: Case) -> None:
    saids = [
        Said(status, {"message": "no"}, {"Location": "https://elsewhere.test/"}) for status in (401, 402, 403, 404, 302)
    ]
    for said, reply in zip(saids, send_each(case, *saids), strict=True):
        assert (reply.outcome, reply.should_pause, reply.has_reached) == (Outcome.DEFERRED, True, False), said
        assert not reply.should_suppress


@every_esp
def test_a_throttling_provider_gets_less_mail_and_no_failures(case: Case) -> None:
    (reply,) = send_each(case, Said(429, {"message": "Too many requests"}, {"Retry-After": "90"}))
    assert (reply.outcome, reply.should_slow, reply.has_reached) == (Outcome.DEFERRED, True, False)
    assert reply.retry_after == timedelta(seconds=90)


@every_esp
def test_what_is_broken_there_is_put_off(case: Case) -> None:
    saids = [Said(status, b"<html>oops") for status in (500, 502, 503)]
    for said, reply in zip(saids, send_each(case, *saids), strict=True):
        assert (reply.outcome, reply.should_pause, reply.has_reached) == (Outcome.DEFERRED, False, False), said


# Status and words, and what they mean: outcome, and whether the provider is paused.
REFUSALS = [
    (422, "Invalid `to` field. The email address needs to follow the format.", "bounced", False),
    (400, "to parameter is not a valid address. please check documentation", "bounced", False),
    (422, "The attachment is too large for this plan.", "failed", False),
    (403, "The mine.test domain is not verified. Please add and verify your domain.", "deferred", False),
    (400, "Email address is not verified. The following identities failed the check", "deferred", False),
    (400, "Sending has been paused for this account.", "deferred", True),
    (400, "Maximum sending rate exceeded.", "deferred", False),
    (422, "Invalid 'From' address: 'x'.", "failed", False),
]


@every_esp
def test_rejections_are_distinguished_by_their_text(case: Case) -> None:
    saids = [Said(status, {"message": words, "ErrorCode": 17, "Message": words}) for status, words, *_ in REFUSALS]
    for (_, words, *expected), reply in zip(REFUSALS, send_each(case, *saids), strict=True):
        assert [reply.outcome, reply.should_pause] == expected, words
        assert words[:20] in reply.text
        assert not reply.should_suppress


@answers_as_a_whole
def test_one_bad_address_does_not_affect_the_other_recipients(case: Case) -> None:
    """Named or not, whoever is refused is refused alone."""
    # Named or not, or of another kind.
    named = Said(422, {"message": "Invalid `to` address: two@rcpt.test"})
    unnamed = Said(400, {"message": "a recipient address is not valid"})
    with EspServer(named, case.taken) as server:
        replies = send(case, server, build("one@rcpt.test", "two@rcpt.test", "three@rcpt.test"))
        assert [reply.outcome for reply in replies] == ["accepted", "bounced", "accepted"]
        assert [case.read_addresses(call) for call in server.calls][1:] == [["one@rcpt.test", "three@rcpt.test"]]
    with EspServer(unnamed, case.taken, unnamed, case.taken) as server:
        replies = send(case, server, build("one@rcpt.test", "two@rcpt.test", "three@rcpt.test"))
        assert [reply.outcome for reply in replies] == ["accepted", "bounced", "accepted"]
    with EspServer(Said(422, {"message": "too many copies"}), case.taken) as server:
        replies = send(case, server, build("one@rcpt.test", "two@rcpt.test"))
        assert [reply.outcome for reply in replies] == ["accepted", "accepted"]
        assert [case.read_addresses(call) for call in server.calls][1:] == [["one@rcpt.test"], ["two@rcpt.test"]]


@every_esp
def test_nothing_of_a_mail_and_no_key_is_logged(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), EspServer(case.taken, Said(500, b"oops")) as server:
        for _ in range(2):
            send(case, server, build("one@rcpt.test"))
    assert not re.search(r"rcpt\.test|Hello|your order|Authorization|key-1|token-1|re_1|SG\.1", caplog.text)


def test_a_recipient_on_the_esps_own_list_bounces_and_is_not_put_on_ours() -> None:
    case = CASES["postmark"]
    said = Said(
        200,
        {
            **case.taken.body,
            "Message": "Message OK, but will not deliver to these inactive addresses: two@rcpt.test. "
            "Inactive recipients are ones that have generated a hard bounce.",
        },
    )
    with EspServer(said) as server:
        one, two = send(case, server, build("one@rcpt.test", "two@rcpt.test"))
    assert (one.outcome, two.outcome, two.should_suppress) == ("accepted", "bounced", False)


def test_mail_that_an_esp_cannot_send_fails_with_its_reason() -> None:
    inline = Attachment(filename="a.png", content_type="image/png", content=b"x", content_id="pic")
    content = compose(html='<img src="cid:pic">', attachments=[inline])
    with EspServer(CASES["brevo"].taken) as server:
        (reply,) = send(CASES["brevo"], server, build("one@rcpt.test", content=content))
        assert server.calls == []
    assert (reply.outcome, reply.has_reached, reply.text) == (
        "failed",
        True,
        "Brevo does not support inline attachments",
    )


@pytest.mark.parametrize("name", ["brevo", "resend"])
def test_a_repeated_request_bears_the_same_key(name: str) -> None:
    case = CASES[name]
    deliveries = build("one@rcpt.test")
    with EspServer(Said(is_cut=True), case.taken) as server:
        for mails in (deliveries, deliveries, build("one@rcpt.test")):
            send(case, server, mails)
        keys = [
            call.headers["idempotency-key"] if name == "resend" else call.json["headers"]["idempotencyKey"]
            for call in server.calls
        ]
    assert UUID(keys[0])
    assert keys[0] == keys[1] != keys[2]


def test_sparkpost_shows_all_recipients_to_each() -> None:
    case = CASES["sparkpost"]
    content = compose(to=[Mailbox(address="one@rcpt.test")], cc=[Mailbox(address="two@rcpt.test")])
    with EspServer(case.taken) as server:
        send(case, server, build("two@rcpt.test", content=content))
        (call,) = server.calls
    assert call.json["recipients"] == [{"address": {"email": "two@rcpt.test", "header_to": "one@rcpt.test"}}]
    assert call.json["content"]["headers"]["Cc"] == "two@rcpt.test"


def test_a_projects_own_provider_reaches_no_private_network(settings: Any) -> None:
    with EspServer(CASES["resend"].taken) as server:
        address = check_settings(ProviderKind.ESP, CASES["resend"].url(server.url))

        def try_it(**values: bool) -> Reply:
            transport = build_transport(ProviderRef(uuid4(), "own", ProviderKind.ESP, address, **values))
            try:
                return next(iter(transport.transmit(build("one@rcpt.test"), grant_all)))[1]
            finally:
                transport.close()

        settings.PROVIDER_ALLOWED_NETWORKS = []
        refused = try_it(is_operated=False)
        assert (refused.outcome, refused.has_reached, len(server.calls)) == ("deferred", False, 0)
        assert "public address" in refused.text
        assert try_it(is_operated=True).outcome == "accepted"
        settings.PROVIDER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        assert try_it(is_operated=False).outcome == "accepted"


def test_a_conversation_with_an_esp_has_begun_when_the_connection_stands(closed_port: int) -> None:
    seen: list[bool] = []
    case = CASES["postmark"]
    deliveries = build("one@rcpt.test", "two@rcpt.test")

    def watch(ids: Collection[UUID]) -> Collection[UUID]:
        seen.extend(one.clock.begun_at is not None for one in deliveries)
        return ids

    with EspServer(case.taken) as server:
        assert [one.clock.begun_at for one in deliveries] == [None, None]
        send(case, server, deliveries, watch)
    assert seen == [True, True]
    unreached = build("one@rcpt.test")
    send(case, f"http://127.0.0.1:{closed_port}/", unreached)
    assert unreached[0].clock.begun_at is None
