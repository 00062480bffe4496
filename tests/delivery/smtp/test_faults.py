import gc
import socket
import time

import pytest

from delivery.envelope import Delivery, Outcome, Stage
from tests.smtp_mail import CONTENT, build_delivery, build_timeouts, build_transport, grant_all, send, send_all, send_to
from tests.smtp_server import Cut, Drip, Last, Late, Script, Silent, SmtpServer

STEPWISE = ("SIZE 10485760",)
PIPELINED = ("PIPELINING", *STEPWISE)
both_ways = pytest.mark.parametrize("offers", [PIPELINED, STEPWISE], ids=["pipelined", "stepwise"])
STAGES = {
    "CONNECT": Stage.GREETING,
    "EHLO": Stage.EHLO,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    ".": Stage.DOT,
}
# The verb after whose answer the server is known to have said something about this mail.
REACHED = {"RCPT", "DATA", "."}


def look_up(monkeypatch, found):
    """The resolver finds `found` for any name."""

    def find(_host, _port, *, flags=0, **_values):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        return found

    monkeypatch.setattr(socket, "getaddrinfo", find)


# Cut lines


@both_ways
@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("verb", STAGES)
def test_a_cut_is_deferred_before_the_dot_and_uncertain_after(offers, verb, is_reset):
    with SmtpServer(Script(offers=offers, replies={verb: Cut(is_reset)})) as server:
        reply = send_to(server)
    assert reply.outcome is (Outcome.UNCERTAIN if verb == "." else Outcome.DEFERRED)
    assert reply.code is None
    assert not reply.should_pause
    assert reply.remote_host.startswith("127.0.0.1")
    # A reset may overtake the answers before it, or the connection's own success.
    if not is_reset or (verb != "CONNECT" and offers is STEPWISE):
        assert (reply.stage, reply.has_reached) == (STAGES[verb], verb in REACHED)


@pytest.mark.parametrize("size", [100, 5_000_000], ids=["small", "large"])
def test_a_cut_within_the_content_is_never_uncertain_when_the_dot_was_not_written(size):
    with SmtpServer(Script(replies={"CONTENT": Cut(is_reset=True)})) as server:
        asked = []
        transport = build_transport(server)

        def before_dot(ids):
            asked.append(ids)
            time.sleep(0.1)
            return ids

        [(_, reply)] = transport.transmit([build_delivery(content=b"x" * 78 + b"\r\n" * (size // 2))], before_dot)
        transport.close()
    if size == 100:  # content and dot were one write
        assert reply.outcome is Outcome.UNCERTAIN
    else:
        assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.DEFERRED, Stage.DATA, True)


def test_a_server_that_gives_up_while_the_grant_is_awaited_gets_no_dot():
    with SmtpServer() as server:
        transport = build_transport(server)

        def before_dot(ids):
            server.cut_all()
            time.sleep(0.05)
            return ids

        [(_, reply)] = transport.transmit([build_delivery()], before_dot)
        transport.close()
    assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.DEFERRED, Stage.DATA, True)
    assert server.mails == []


def test_a_word_out_of_turn_before_the_dot_is_the_answer():
    with SmtpServer() as server:
        transport = build_transport(server)

        def before_dot(ids):
            server.say_to_all("421 4.4.2 I waited too long")
            time.sleep(0.05)
            return ids

        [(_, reply)] = transport.transmit([build_delivery()], before_dot)
        transport.close()
    assert (reply.outcome, reply.code, reply.text) == (Outcome.DEFERRED, 421, "I waited too long")
    assert server.mails == []


def test_a_refusal_in_the_middle_of_a_large_content_is_heard():
    with SmtpServer(Script(offers=["PIPELINING"], replies={"CONTENT": Last("552 5.3.4 too much")})) as server:
        reply = send_to(server, build_delivery(content=b"x" * 20_000_000))
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.FAILED, Stage.DATA, 552)
    assert server.mails == []


def test_nobody_there_is_deferred_without_having_reached_anybody(closed_port):
    with SmtpServer() as server:
        reply = send_to(server, port=closed_port)
    assert (reply.outcome, reply.stage, reply.code, reply.has_reached) == (
        Outcome.DEFERRED,
        Stage.CONNECT,
        None,
        False,
    )
    assert reply.text == "no connection to 127.0.0.1: Connection refused"
    assert reply.remote_host == f"127.0.0.1:{closed_port}"


def test_nobody_there_leaves_no_mail_in_memory(closed_port):
    """An error and the frame that holds it are a circle, which the collector would find some hundred objects later."""
    with SmtpServer() as server:
        transport = build_transport(server, port=closed_port)
        gc.collect()
        gc.disable()
        try:
            before = count_deliveries()
            send(transport)
            assert count_deliveries() == before
        finally:
            gc.enable()


def count_deliveries():
    # Not `isinstance`, which asks lazy objects of other tests what they are.
    return sum(type(one) is Delivery for one in gc.get_objects())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".test", "x..y", "\0"])
def test_an_invalid_host_is_deferred(host):
    with SmtpServer() as server:
        reply = send_to(server, host=host)
    assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.DEFERRED, Stage.CONNECT, False)
    assert reply.text.startswith("the host was not found")


def test_the_next_address_is_tried_when_one_is_down_or_closed_to_us(monkeypatch, closed_port):
    away = Script(replies={"CONNECT": "554 5.7.1 go away"})
    with SmtpServer(away) as closed, SmtpServer() as server:
        targets = [("127.0.0.1", closed_port), ("127.0.0.1", closed.port), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", target) for target in targets]
        look_up(monkeypatch, found)
        reply = send_to(server, host="many.test")
    assert reply.outcome is Outcome.ACCEPTED
    assert closed.connection_count == 1


def test_a_host_whose_addresses_all_refuse_reports_the_last_reason(monkeypatch):
    with SmtpServer(Script(replies={"CONNECT": "554 5.7.1 go away"})) as server:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))] * 8
        look_up(monkeypatch, found)
        reply = send_to(server, host="many.test")
    assert (reply.outcome, reply.code) == (Outcome.DEFERRED, 554)
    assert server.connection_count == 5


# Refusals of the whole session


@pytest.mark.parametrize(
    "greeting", ["554 5.7.1 go away", "450 busy", "421 too many", "250 odd", "hello", "220-\n421 x"]
)
def test_an_invalid_greeting_defers(greeting):
    with SmtpServer(Script(replies={"CONNECT": greeting})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.DEFERRED, Stage.GREETING, False)
    assert not reply.should_suppress


@pytest.mark.parametrize("greeting", ["421 too many", "554 5.7.1 go away"])
def test_a_host_that_does_not_want_us_is_to_be_slowed(greeting):
    with SmtpServer(Script(replies={"CONNECT": greeting})) as server:
        assert send_to(server).should_slow


def test_ehlo_and_helo_refused_defers():
    with SmtpServer(Script(replies={"EHLO": "500 what?", "HELO": "504 no"})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.DEFERRED, Stage.EHLO, 504)


def test_without_a_connection_the_whole_group_gets_the_same_answer_at_once():
    with SmtpServer(Script(replies={"CONNECT": "421 too many"})) as server:
        transport = build_transport(server)
        replies = send_all(transport, [build_delivery() for _ in range(5)])
        transport.close()
    assert {(reply.outcome, reply.code, reply.text) for reply in replies} == {(Outcome.DEFERRED, 421, "too many")}
    assert server.connection_count == 1


@both_ways
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_421_defers_closes_and_the_rest_goes_over_a_new_line(offers, verb):
    with SmtpServer(Script(offers=offers, replies={verb: [Last("421 4.3.0 closing")]})) as server:
        transport = build_transport(server)
        first, second = send_all(transport, [build_delivery(), build_delivery(address="two@rcpt.test")])
        transport.close()
    assert (first.outcome, first.code, first.stage, first.should_slow) == (Outcome.DEFERRED, 421, STAGES[verb], True)
    assert second.outcome is Outcome.ACCEPTED
    assert [mail.addresses for mail in server.mails] == [["two@rcpt.test"]]
    assert server.connection_count == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_421_ends_the_line_even_if_the_server_does_not(verb):
    with SmtpServer(Script(replies={verb: ["421 4.3.0 closing"]})) as server:
        transport = build_transport(server)
        send_all(transport, [build_delivery(), build_delivery()])
        transport.close()
    assert server.connection_count == 2


def test_a_rejection_counts_even_if_the_connection_breaks_afterwards():
    with SmtpServer(Script(replies={"RCPT": [Last("550 5.1.1 who?")]})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.BOUNCED, Stage.RCPT, 550)


def test_a_line_that_breaks_in_a_group_costs_one_mail_and_the_rest_goes_on():
    with SmtpServer(Script(replies={"DATA": [None, Cut()]})) as server:
        transport = build_transport(server)
        replies = send_all(transport, [build_delivery(address=f"{n}@rcpt.test") for n in range(4)])
        transport.close()
    accepted = Outcome.ACCEPTED
    assert [reply.outcome for reply in replies] == [accepted, Outcome.DEFERRED, accepted, accepted]
    assert [mail.addresses[0] for mail in server.mails] == ["0@rcpt.test", "2@rcpt.test", "3@rcpt.test"]


def test_a_line_that_breaks_for_good_defers_the_rest():
    script = Script(replies={"DATA": [None, Cut()], "CONNECT": [None, "421 no more"]})
    with SmtpServer(script) as server:
        transport = build_transport(server)
        replies = send_all(transport, [build_delivery() for _ in range(4)])
        transport.close()
    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED, *[Outcome.DEFERRED] * 3]
    assert [reply.code for reply in replies[2:]] == [421, 421]


# Nonsense


@both_ways
@pytest.mark.parametrize("verb", STAGES)
@pytest.mark.parametrize(
    "nonsense",
    ["HTTP/1.1 400 Bad Request", "999 x", b"\x00" * 100 + b"\r\n", b"250-x\r\n" * 500, b"9" * 100_000],
    ids=["http", "code", "nul", "endless lines", "endless line"],
)
def test_nonsense_defers_before_the_dot_and_is_uncertain_after(offers, verb, nonsense):
    with SmtpServer(Script(offers=offers, replies={verb: nonsense})) as server:
        reply = send_to(server)
    assert reply.outcome is (Outcome.UNCERTAIN if verb == "." else Outcome.DEFERRED)
    assert reply.stage is STAGES[verb]
    assert "\x00" not in reply.text


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_an_answer_too_many_does_not_shift_the_answers_to_the_next_mail(verb):
    with SmtpServer(Script(offers=STEPWISE, replies={verb: ["550 5.7.1 no\n250 and yes"]})) as server:
        transport = build_transport(server)
        first, second = send_all(transport, [build_delivery(), build_delivery()])
        transport.close()
    assert (first.outcome, second.outcome) == (Outcome.BOUNCED, Outcome.ACCEPTED)
    assert (second.stage, second.text) == (Stage.DOT, "queued")


# Waiting


@both_ways
@pytest.mark.parametrize("verb", STAGES)
def test_silence_ends_with_the_deadline_of_its_stage(offers, verb):
    field = {"CONNECT": "greeting", ".": "dot"}.get(verb, verb.lower())
    with SmtpServer(Script(offers=offers, replies={verb: Silent()})) as server:
        started = time.monotonic()
        reply = send_to(server, timeouts=build_timeouts(**{field: 0.3}))
        assert time.monotonic() - started > 0.25
    assert reply.outcome is (Outcome.UNCERTAIN if verb == "." else Outcome.DEFERRED)
    assert reply.stage is STAGES[verb]
    assert "timed out" in reply.text


@pytest.mark.parametrize("verb", STAGES)
def test_a_dripping_server_is_left_at_the_deadline(verb):
    field = {"CONNECT": "greeting", ".": "dot"}.get(verb, verb.lower())
    with SmtpServer(Script(offers=STEPWISE, replies={verb: Drip("250 " + "x" * 400, 0.02)})) as server:
        reply = send_to(server, timeouts=build_timeouts(**{field: 0.4}))
    assert reply.outcome is (Outcome.UNCERTAIN if verb == "." else Outcome.DEFERRED)


def test_a_late_answer_in_time_is_an_answer():
    with SmtpServer(Script(replies={".": Late("250 2.0.0 at last", 0.6)})) as server:
        reply = send_to(server, timeouts=build_timeouts(dot=5))
    assert (reply.outcome, reply.text) == (Outcome.ACCEPTED, "at last")


def test_a_late_answer_is_not_taken_for_the_next_mails():
    with SmtpServer(Script(replies={".": [Late("250 2.0.0 late", 0.4)]})) as server:
        transport = build_transport(server, timeouts=build_timeouts(dot=0.1))
        first, second = send_all(transport, [build_delivery(), build_delivery()])
        transport.close()
    assert (first.outcome, second.outcome) == (Outcome.UNCERTAIN, Outcome.ACCEPTED)
    assert second.text == "queued"
    assert server.connection_count == 2


def test_a_server_that_reads_nothing_is_left_at_the_deadline():
    with SmtpServer(Script(offers=["PIPELINING"], replies={"CONTENT": Silent()})) as server:
        reply = send_to(server, build_delivery(content=b"x" * 20_000_000), timeouts=build_timeouts(block=0.001))
    assert (reply.outcome, reply.stage) == (Outcome.DEFERRED, Stage.DATA)
    assert "timed out while writing" in reply.text


def test_the_dot_has_its_own_deadline_not_that_of_the_envelope():
    with SmtpServer(Script(replies={".": Late("250 ok", 0.6)})) as server:
        reply = send_to(server, timeouts=build_timeouts(mail=0.2, rcpt=0.2, data=0.2, dot=5))
    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].content == CONTENT


def test_each_answer_of_a_group_has_its_own_deadline():
    replies = {"MAIL": Late("250 ok", 0.3), "RCPT": Late("250 ok", 0.3), "DATA": Late("354 ok", 0.3)}
    with SmtpServer(Script(replies=replies)) as server:
        assert send_to(server, timeouts=build_timeouts(mail=0.6, rcpt=0.6, data=0.6)).outcome is Outcome.ACCEPTED


def test_nothing_is_yielded_twice_and_nothing_is_lost_in_a_storm():
    chaos = [None, Cut(), "450 4.2.0 later", Last("421 bye"), "550 5.1.1 who?", "nonsense", None]
    with SmtpServer(Script(replies={"RCPT": chaos, ".": chaos, "MAIL": chaos})) as server:
        transport = build_transport(server)
        deliveries = [build_delivery(address=f"{n}@rcpt.test") for n in range(30)]
        replies = list(transport.transmit(deliveries, grant_all))
        assert send(transport).outcome is Outcome.ACCEPTED
        transport.close()
    assert [recipient_id for recipient_id, _ in replies] == [delivery.recipient_id for delivery in deliveries]
    accepted = [d.address for d, (_, reply) in zip(deliveries, replies, strict=True) if reply.outcome == "accepted"]
    assert accepted == [mail.addresses[0] for mail in server.mails[:-1]]
