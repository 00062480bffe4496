"""The SMTP transport as the sending loop uses it: all conversations in one thread."""

import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest

from delivery.concurrency.conversations import Conversations
from delivery.envelope import Outcome, Stage
from delivery.smtp.config import Security
from tests.certificates import CertificateAuthority
from tests.smtp_mail import build_delivery, build_timeouts, build_transport
from tests.smtp_server import Cut, Drip, Last, Late, Script, Silent, SmtpServer


def send_through(conversations, transport, deliveries, key="relay"):
    """Each delivery in a conversation of its own; the replies in the order of the deliveries."""
    for delivery in deliveries:
        conversations.submit(key, transport, [delivery])
    replies, finished = {}, 0
    deadline = time.monotonic() + 60
    while finished < len(deliveries):
        assert time.monotonic() < deadline
        gathered = conversations.wait(0.5)
        conversations.grant(gathered.asking, [i for ask in gathered.asking for i in ask.ids])
        replies |= dict(gathered.replies)
        finished += len(gathered.finished)
    return [replies[delivery.recipient_id] for delivery in deliveries]


@pytest.fixture
def conversations():
    made = Conversations(limit=20)
    yield made
    made.close(5)


def test_a_hundred_slow_conversations_take_the_time_of_one(conversations):
    many = Conversations(limit=100)
    with SmtpServer(Script(replies={".": Late("250 2.0.0 ok", 0.5)})) as server:
        with closing(build_transport(server)) as transport:
            replies = send_through(many, transport, [build_delivery() for _ in range(100)])
            assert threading.active_count() < 130  # the server's own, one for each connection
        many.close(5)
    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 100
    # None was free for the next one: they were all under way at once.
    assert server.connection_count == 100


def test_connections_are_shared_and_no_more_than_the_limit(conversations):
    with SmtpServer() as server, closing(build_transport(server)) as transport:
        replies = send_through(conversations, transport, [build_delivery() for _ in range(200)])
        assert {reply.outcome for reply in replies} == {Outcome.ACCEPTED}
        assert server.connection_count <= 20
        assert len(server.mails) == 200


def test_a_storm_loses_and_duplicates_no_recipient(conversations):
    chaos = [
        None,
        Cut(),
        "450 4.2.0 later",
        None,
        Last("421 bye"),
        "550 5.1.1 who?",
        "nonsense",
        Cut(is_reset=True),
    ] * 8
    script = Script(replies={"CONNECT": chaos, "EHLO": chaos, "MAIL": chaos, "RCPT": chaos, "DATA": chaos, ".": chaos})
    with SmtpServer(script) as server, closing(build_transport(server)) as transport:
        deliveries = [build_delivery(address=f"{number}@rcpt.test") for number in range(150)]
        replies = send_through(conversations, transport, deliveries)
    said = {d.address: reply.outcome for d, reply in zip(deliveries, replies, strict=True)}
    arrived = [mail.addresses[0] for mail in server.mails]
    assert len(arrived) == len(set(arrived))
    assert {address for address, outcome in said.items() if outcome is Outcome.ACCEPTED} == set(arrived)


@pytest.mark.parametrize("act", [Silent(), Drip("250 " + "x" * 500, 0.02)], ids=["silent", "dripping"])
def test_deadlines_hold_and_hold_up_nobody_else(conversations, act):
    with SmtpServer(Script(replies={".": act})) as slow, SmtpServer() as fast:
        slow_way = build_transport(slow, timeouts=build_timeouts(dot=0.4))
        fast_way = build_transport(fast)
        with closing(slow_way), closing(fast_way):
            late = build_delivery()
            conversations.submit("slow", slow_way, [late])
            assert send_through(conversations, fast_way, [build_delivery()], "fast")[0].outcome is Outcome.ACCEPTED
            # The first fast answer may have come with the slow one's question.
            deadline = time.monotonic() + 60
            replies = {}
            while late.recipient_id not in replies:
                assert time.monotonic() < deadline
                gathered = conversations.wait(0.1)
                conversations.grant(gathered.asking, [late.recipient_id])
                replies |= dict(gathered.replies)
    assert replies[late.recipient_id].outcome is Outcome.UNCERTAIN
    assert "timed out" in replies[late.recipient_id].text


def test_closed_ports_and_unknown_hosts_are_distinguished(conversations, closed_port):
    with SmtpServer() as server:
        gone = build_transport(server, port=closed_port)
        unknown = build_transport(server, host="no-such-host.invalid")
        named = build_transport(server, host="localhost")
        [refused] = send_through(conversations, gone, [build_delivery()])
        [lost] = send_through(conversations, unknown, [build_delivery()])
        [found] = send_through(conversations, named, [build_delivery()])
        named.close()
    assert (refused.outcome, refused.stage) == (Outcome.DEFERRED, Stage.CONNECT)
    assert (lost.outcome, lost.stage) == (Outcome.DEFERRED, Stage.CONNECT)
    assert "not found" in lost.text
    assert found.outcome is Outcome.ACCEPTED


def test_tls_authentication_and_large_mail(conversations, tmp_path):
    authority = CertificateAuthority(tmp_path)
    script = Script(
        offers=["PIPELINING", "STARTTLS", "TLS:AUTH PLAIN"], users={"ann": "secret"}, tls=authority.issue("127.0.0.1")
    )
    content = b"0123456789abcdef" * 20_000 + b"\r\n"
    with SmtpServer(script) as server:
        transport = build_transport(
            server,
            security=Security.STARTTLS,
            is_certificate_checked=True,
            ca_file=str(authority.ca_file),
            username="ann",
            password="secret",
        )
        with closing(transport):
            replies = send_through(conversations, transport, [build_delivery(content=content) for _ in range(8)])
    assert {reply.outcome for reply in replies} == {Outcome.ACCEPTED}
    assert {mail.content for mail in server.mails} == {content}
    assert {(mail.user, mail.is_tls) for mail in server.mails} == {("ann", True)}


def test_idle_connections_end_by_themselves(conversations, monkeypatch):
    monkeypatch.setattr("delivery.concurrency.loop_runner.TIDY_SECONDS", 0.05)
    with SmtpServer() as server:
        transport = build_transport(server, idle_limit=timedelta(seconds=0.1), timeouts=build_timeouts(quit=0.1))
        send_through(conversations, transport, [build_delivery() for _ in range(5)])
        opened = server.connection_count
        deadline = time.monotonic() + 60
        while server.verbs().count("QUIT") < opened:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while transport.tidy():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_close_lets_go_of_a_conversation_that_waits_for_its_grant():
    conversations = Conversations(limit=1)
    with SmtpServer() as server, closing(build_transport(server)) as transport:
        conversations.submit("relay", transport, [build_delivery()])
        deadline = time.monotonic() + 60
        while not conversations.wait(0.1).asking:
            assert time.monotonic() < deadline
        conversations.close(5)
        assert conversations.wait(0).finished
    assert server.mails == []
