import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.envelope import Outcome, Stage
from delivery.smtp.transaction import stuff_dots
from tests.smtp_mail import CONTENT, build_delivery, build_transport, grant_all, send, send_all, send_to
from tests.smtp_server import Script, SmtpServer

STEPWISE = ("SIZE 10485760", "8BITMIME")
PIPELINED = ("PIPELINING", *STEPWISE)
both_ways = pytest.mark.parametrize("offers", [PIPELINED, STEPWISE], ids=["pipelined", "stepwise"])


@both_ways
def test_a_mail_arrives_whole_with_its_envelope(offers):
    with SmtpServer(Script(offers=offers)) as server:
        reply = send_to(server, helo_name="out.sender.test")
        assert reply.remote_host == f"127.0.0.1[127.0.0.1]:{server.port}"
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.ACCEPTED, Stage.DOT, 250)
    assert (reply.enhanced_code, reply.text) == ("2.0.0", "queued")
    assert (reply.tls, reply.has_reached) == ("", True)
    [mail] = server.mails
    assert (mail.return_path, mail.addresses, mail.content) == ("bounces@sender.test", ["one@rcpt.test"], CONTENT)
    assert mail.parameters == f"SIZE={len(CONTENT)}"
    assert server.commands[0] == "EHLO out.sender.test"
    assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"]


def test_the_recipients_own_server_delivers():
    with SmtpServer() as server:
        assert send_to(server, is_final=True).outcome is Outcome.DELIVERED


def test_the_null_return_path_is_allowed_and_a_null_address_is_not():
    with SmtpServer() as server:
        transport = build_transport(server)
        assert send(transport, return_path="").outcome is Outcome.ACCEPTED
        assert send(transport, address="").outcome is Outcome.FAILED
        transport.close()
    assert [mail.return_path for mail in server.mails] == [""]


def test_a_server_without_ehlo_is_greeted_with_helo():
    with SmtpServer(Script(replies={"EHLO": "502 5.5.2 what?"})) as server:
        assert send_to(server).outcome is Outcome.ACCEPTED
    assert server.verbs() == ["EHLO", "HELO", "MAIL", "RCPT", "DATA", ".", "QUIT"]
    assert server.mails[0].parameters == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.sender.test", "out.sender.test"),
        ("192.0.2.7", "[192.0.2.7]"),
        ("2001:db8::7", "[IPv6:2001:db8::7]"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("a b\r\nQUIT", "localhost"),
        ("", "localhost"),
        ("a" * 70 + ".test", "localhost"),
    ],
)
def test_our_name_is_said_as_the_standard_wants_it(name, said):
    with SmtpServer() as server:
        assert send_to(server, helo_name=name).outcome is Outcome.ACCEPTED
    assert server.commands[0] == f"EHLO {said}"


@pytest.mark.parametrize("segment", [1, 2, 7])
def test_answers_may_come_in_any_segments(segment):
    with SmtpServer(Script(segment=segment)) as server:
        transport = build_transport(server)
        assert [send(transport).outcome for _ in range(2)] == [Outcome.ACCEPTED] * 2
        transport.close()
    assert [mail.content for mail in server.mails] == [CONTENT] * 2


# Content

NAUGHTY = [
    b".",
    b".\r\n",
    b"..\r\n",
    b"\r\n.\r\n",
    b"a\r\n.\r\nMAIL FROM:<evil@evil.test>\r\n",
    b"a\r\n..b\r\n.c\r\n",
    b".\r\n.\r\n.\r\n",
    b"\r\n",
    b"",
    b"a" * 200_000 + b"\r\n." + b"b" * 100,
    b"." * 70_000,
]


@both_ways
def test_leading_dots_survive_the_way(offers):
    with SmtpServer(Script(offers=offers)) as server:
        transport = build_transport(server)
        for content in NAUGHTY:
            assert send(transport, content=content).outcome is Outcome.ACCEPTED
        transport.close()
    arrived = [mail.content for mail in server.mails]
    assert arrived == [content if content.endswith(b"\r\n") else content + b"\r\n" for content in NAUGHTY]


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\n"])
def test_lone_line_breaks_cannot_end_a_mail_early(end):
    with SmtpServer() as server:
        reply = send_to(server, build_delivery(content=b"a" + end + b"MAIL FROM:<evil@evil.test>\r\n"))
    assert reply.outcome is Outcome.ACCEPTED
    [mail] = server.mails
    assert mail.content.replace(b"\r\n", b"").isascii()
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert mail.content.endswith(b".\r\nMAIL FROM:<evil@evil.test>\r\n")


@settings(max_examples=150)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\x00", b"\xff"]), max_size=12).map(b"".join))
def test_stuffed_content_never_holds_an_end_of_data(content):
    wire = stuff_dots(content)
    assert b"\r\n.\r\n" not in b"\r\n" + wire
    assert wire.endswith(b"\r\n")
    assert wire.count(b"\r\n") == wire.count(b"\r") == wire.count(b"\n")


def test_8_bit_content_is_announced():
    with SmtpServer() as server:
        assert send_to(server, build_delivery(content="ä\r\n".encode())).outcome is Outcome.ACCEPTED
    assert "BODY=8BITMIME" in server.mails[0].parameters
    assert server.mails[0].content == "ä\r\n".encode()


def test_8_bit_content_fails_where_it_is_not_offered_and_7_bit_content_does_not():
    with SmtpServer(Script(offers=["PIPELINING"])) as server:
        transport = build_transport(server)
        replies = send_all(transport, [build_delivery(content="ä\r\n".encode()), build_delivery()])
        transport.close()
    assert [reply.outcome for reply in replies] == [Outcome.FAILED, Outcome.ACCEPTED]
    assert (replies[0].enhanced_code, replies[0].has_reached) == ("5.6.3", False)
    assert server.verbs().count("MAIL") == 1


def test_a_mail_larger_than_the_servers_limit_fails_before_it_is_sent():
    with SmtpServer(Script(offers=["PIPELINING", "SIZE 100"])) as server:
        transport = build_transport(server)
        large, small = send_all(transport, [build_delivery(content=b"x" * 99 + b"\r\n"), build_delivery()])
        transport.close()
    assert (large.outcome, large.enhanced_code) == (Outcome.FAILED, "5.3.4")
    assert "101 bytes" in large.text
    assert "100" in large.text
    assert small.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("offer", ["SIZE", "SIZE 0", "SIZE lots", "SIZE -1", "SIZE " + "9" * 5000])
def test_no_limit_is_no_limit(offer):
    with SmtpServer(Script(offers=[offer])) as server:
        assert send_to(server).outcome is Outcome.ACCEPTED


# Addresses

INJECTIONS = [
    "a@b.test>\r\nRCPT TO:<evil@evil.test",
    "a@b.test\r\nDATA",
    "a@b.test\n",
    "a@b.test\r",
    "a@b.test\0",
    "a @b.test",
    "<a@b.test",
    "a@b.test>",
    "a@b.test> BODY=8BITMIME",
    "ä@b.test",
    "a@b.test\u2028",
    "a@b.test\x85",
    "a" * 400 + "@b.test",
    '"a" b"@b.test',
    '"a b\r\nDATA"@b.test',
    '"a b" @b.test',
    '"a b"@b.test> BODY=8BITMIME',
]


@pytest.mark.parametrize("path", INJECTIONS)
@pytest.mark.parametrize("field", ["address", "return_path"])
def test_no_address_breaks_out_of_its_command(field, path):
    with SmtpServer() as server:
        transport = build_transport(server)
        bad, good = send_all(transport, [build_delivery(**{field: path}), build_delivery()])
        transport.close()
    assert (bad.outcome, bad.has_reached, bad.should_suppress) == (Outcome.FAILED, False, False)
    assert good.outcome is Outcome.ACCEPTED
    assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"]


@pytest.mark.parametrize("address", ['"a b"@b.test', '"<a>"@b.test', '"a\\"b"@b.test', '"a..b"@b.test'])
def test_a_quoted_local_part_may_hold_what_would_end_a_path(address):
    with SmtpServer() as server:
        assert send_to(server, build_delivery(address=address)).outcome is Outcome.ACCEPTED
    assert f"RCPT TO:<{address}>" in server.commands


# Refusals of one mail, and the next mail on the same line


@both_ways
@pytest.mark.parametrize(
    ("verb", "stage"), [("MAIL", Stage.MAIL), ("RCPT", Stage.RCPT), ("DATA", Stage.DATA), (".", Stage.DOT)]
)
def test_a_rejection_is_reported_with_its_stage_and_the_next_mail_is_sent(offers, verb, stage):
    with SmtpServer(Script(offers=offers, replies={verb: ["550 5.7.1 no"]})) as server:
        transport = build_transport(server)
        first, second = send_all(transport, [build_delivery(), build_delivery(address="two@rcpt.test")])
        transport.close()
    assert (first.outcome, first.stage, first.code) == (Outcome.BOUNCED, stage, 550)
    assert second.outcome is Outcome.ACCEPTED
    assert [mail.addresses for mail in server.mails] == [["two@rcpt.test"]]
    assert server.connection_count == 1


@both_ways
def test_the_first_refusal_of_a_group_counts(offers):
    replies = {"MAIL": ["450 4.1.0 later"], "RCPT": ["550 5.1.1 who?"], "DATA": ["503 5.5.1 no"]}
    with SmtpServer(Script(offers=offers, replies=replies)) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.DEFERRED, Stage.MAIL, 450)


def test_a_354_after_a_refused_recipient_is_ended_with_a_lone_dot():
    replies = {"RCPT": ["550 5.1.1 who?"], "DATA": ["354 go ahead"]}
    with SmtpServer(Script(replies=replies)) as server:
        transport = build_transport(server)
        first, second = send_all(transport, [build_delivery(), build_delivery()])
        transport.close()
    assert (first.outcome, first.should_suppress) == (Outcome.BOUNCED, True)
    assert second.outcome is Outcome.ACCEPTED
    assert [mail.content for mail in server.mails] == [CONTENT]
    assert server.connection_count == 1


def test_a_354_after_a_refused_sender_but_a_taken_recipient_gets_no_dot():
    replies = {"MAIL": ["550 5.7.1 no"], "RCPT": ["250 ok"], "DATA": ["354 go ahead"]}
    with SmtpServer(Script(replies=replies)) as server:
        transport = build_transport(server)
        reply = send(transport)
        transport.close()
    assert reply.outcome is Outcome.BOUNCED
    assert "." not in server.commands
    assert server.mails == []


def test_nothing_is_sent_without_the_grant():
    with SmtpServer() as server:
        transport = build_transport(server)
        mine, not_mine = build_delivery(), build_delivery(address="two@rcpt.test")
        asked = []

        def before_dot(ids):
            asked.extend(ids)
            return {mine.recipient_id}.intersection(ids)

        replies = list(transport.transmit([not_mine, mine], before_dot))
        transport.close()
    assert [recipient_id for recipient_id, _ in replies] == [mine.recipient_id]
    assert asked == [not_mine.recipient_id, mine.recipient_id]
    assert [mail.addresses for mail in server.mails] == [["one@rcpt.test"]]
    assert server.connection_count == 2


@pytest.mark.parametrize("content", [CONTENT, b"x" * 300_000], ids=["small", "large"])
def test_the_dot_is_written_after_the_grant_only(content):
    with SmtpServer() as server:
        transport = build_transport(server)
        delivery = build_delivery(content=content)

        def before_dot(ids):
            assert server.verbs()[-1] == "DATA"
            assert server.mails == []
            return ids

        [(_, reply)] = transport.transmit([delivery], before_dot)
        transport.close()
    assert reply.outcome is Outcome.ACCEPTED
    assert len(server.mails) == 1


def test_an_error_of_the_caller_costs_the_line_and_no_mail():
    with SmtpServer() as server:
        transport = build_transport(server)

        def before_dot(_ids):
            raise LookupError("the caller's")

        with pytest.raises(LookupError):
            list(transport.transmit([build_delivery()], before_dot))
        assert send(transport).outcome is Outcome.ACCEPTED
        transport.close()
    assert len(server.mails) == 1
    assert server.connection_count == 2


def test_a_caller_who_leaves_early_gives_the_line_back():
    with SmtpServer() as server:
        transport = build_transport(server)
        conversation = transport.transmit([build_delivery(), build_delivery()], grant_all)
        next(conversation)
        conversation.close()
        send(transport)
        transport.close()
    assert len(server.mails) == 2
    assert server.connection_count == 1
