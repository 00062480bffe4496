import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest

from delivery.envelope import Outcome, Stage
from tests.smtp_mail import build_delivery, build_timeouts, build_transport, send, send_all
from tests.smtp_server import Cut, Last, Script, Silent, SmtpServer

STEPWISE = ("SIZE 10485760",)
PIPELINED = ("PIPELINING", *STEPWISE)
both_ways = pytest.mark.parametrize("offers", [PIPELINED, STEPWISE], ids=["pipelined", "stepwise"])


def test_a_connection_is_kept_for_the_next_mail_and_ended_with_quit():
    with SmtpServer() as server:
        transport = build_transport(server)
        assert [send(transport).outcome for _ in range(3)] == [Outcome.ACCEPTED] * 3
        assert "QUIT" not in server.verbs()
        transport.close()
        assert server.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA", "."] * 3, "QUIT"]
    assert server.connection_count == 1


def test_a_connection_carries_as_many_mails_as_it_may():
    with SmtpServer() as server, closing(build_transport(server, max_messages=2)) as transport:
        for _ in range(5):
            assert send(transport).outcome is Outcome.ACCEPTED
        assert server.connection_count == 3
        assert server.verbs().count("QUIT") == 2


def test_the_limit_of_mails_holds_within_a_group_too():
    with SmtpServer() as server, closing(build_transport(server, max_messages=2)) as transport:
        replies = send_all(transport, [build_delivery() for _ in range(5)])
        assert {reply.outcome for reply in replies} == {Outcome.ACCEPTED}
        assert server.connection_count == 3


def test_an_idle_connection_is_not_used_beyond_its_limit():
    with SmtpServer() as server:
        transport = build_transport(server, idle_limit=timedelta(seconds=0.05))
        send(transport)
        time.sleep(0.1)
        send(transport)
        transport.close()
    assert server.connection_count == 2
    assert server.verbs().count("QUIT") == 2


def test_old_connections_are_closed_while_others_work():
    with SmtpServer() as server, closing(build_transport(server, idle_limit=timedelta(seconds=0.8))) as transport:
        both_asked = threading.Barrier(2)

        def before_dot(ids):
            both_asked.wait(60)
            return ids

        threads = [
            threading.Thread(target=lambda: list(transport.transmit([build_delivery()], before_dot))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connection_count == 2
        deadline = time.monotonic() + 60
        while "QUIT" not in server.verbs():
            assert time.monotonic() < deadline
            time.sleep(0.1)
            send(transport)
        assert server.connection_count == 2


def test_a_line_that_the_server_closed_is_seen_before_it_is_used():
    with SmtpServer() as server, closing(build_transport(server)) as transport:
        send(transport)
        server.cut_all()
        time.sleep(0.05)
        assert send(transport).outcome is Outcome.ACCEPTED
        assert server.connection_count == 2
        assert server.verbs().count("MAIL") == 2


def test_a_line_with_a_word_on_it_that_nobody_asked_for_is_not_used():
    with SmtpServer() as server, closing(build_transport(server)) as transport:
        send(transport)
        server.say_to_all("421 4.4.2 idle for too long")
        time.sleep(0.05)
        assert send(transport).outcome is Outcome.ACCEPTED
        assert server.connection_count == 2


@both_ways
@pytest.mark.parametrize("act", [Cut(), Cut(is_reset=True), Last("421 4.4.2 idle"), "421 4.4.2 idle"])
def test_a_kept_line_that_dies_at_mail_is_replaced_once_without_a_word(offers, act):
    with SmtpServer(Script(offers=offers, replies={"MAIL": [None, act]})) as server:
        with closing(build_transport(server)) as transport:
            assert [send(transport).outcome for _ in range(2)] == [Outcome.ACCEPTED] * 2
        assert server.connection_count == 2
    assert len(server.mails) == 2


@both_ways
@pytest.mark.parametrize("act", [Cut(), Last("421 4.4.2 no")])
def test_it_is_replaced_no_more_than_once(offers, act):
    with SmtpServer(Script(offers=offers, replies={"MAIL": [None, act, act]})) as server:
        with closing(build_transport(server)) as transport:
            first, second = send(transport), send(transport)
        assert server.connection_count == 2
    assert (first.outcome, second.outcome, second.stage) == (Outcome.ACCEPTED, Outcome.DEFERRED, Stage.MAIL)


def test_a_kept_line_that_dies_is_not_replaced_once_the_mail_was_answered():
    with SmtpServer(Script(offers=STEPWISE, replies={"RCPT": [None, Cut()]})) as server:
        with closing(build_transport(server)) as transport:
            first, second = send(transport), send(transport)
        assert server.connection_count == 1
    assert (first.outcome, second.outcome, second.has_reached) == (Outcome.ACCEPTED, Outcome.DEFERRED, True)


def test_a_kept_line_that_cannot_be_replaced_defers():
    script = Script(replies={"MAIL": [None, Cut()], "CONNECT": [None, "421 full"]})
    with SmtpServer(script) as server, closing(build_transport(server)) as transport:
        first, second = send(transport), send(transport)
    assert (first.outcome, second.outcome, second.code, second.stage) == (
        Outcome.ACCEPTED,
        Outcome.DEFERRED,
        421,
        Stage.GREETING,
    )


@both_ways
def test_an_abandoned_transaction_is_reset_before_the_next(offers):
    with SmtpServer(Script(offers=offers, replies={"RCPT": ["550 5.1.1 who?"]})) as server:
        with closing(build_transport(server)) as transport:
            send(transport)
            assert send(transport).outcome is Outcome.ACCEPTED
        assert server.verbs().count("RSET") == 1
        assert server.connection_count == 1


@both_ways
@pytest.mark.parametrize("act", [Cut(), Last("421 bye"), "500 what?"])
def test_a_reset_that_goes_wrong_costs_no_mail(offers, act):
    script = Script(offers=offers, replies={"RCPT": ["550 5.1.1 who?"], "RSET": act})
    with SmtpServer(script) as server:
        with closing(build_transport(server)) as transport:
            send(transport)
            assert send(transport).outcome is Outcome.ACCEPTED
        assert server.connection_count == 2


def test_a_server_without_an_answer_to_quit_holds_close_for_no_longer_than_it_may():
    with SmtpServer(Script(replies={"QUIT": Silent()})) as server:
        transport = build_transport(server, timeouts=build_timeouts(quit=1))
        barrier = threading.Barrier(4)

        def before_dot(ids):
            barrier.wait(60)
            return ids

        threads = [
            threading.Thread(target=lambda: list(transport.transmit([build_delivery()], before_dot))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        started = time.monotonic()
        transport.close()
        assert 0.9 < time.monotonic() - started < 2.5  # one second for all four
        assert server.verbs().count("QUIT") == 4


def test_after_close_nothing_is_kept():
    with SmtpServer() as server:
        transport = build_transport(server)
        transport.close()
        assert send(transport).outcome is Outcome.ACCEPTED
        deadline = time.monotonic() + 60
        while server.verbs()[-1] != "QUIT":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_many_threads_share_a_transport():
    with SmtpServer() as server, closing(build_transport(server, timeouts=build_timeouts())) as transport:
        outcomes = []

        def work(number):
            outcomes.extend(send(transport, address=f"{number}.{turn}@rcpt.test").outcome for turn in range(20))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [Outcome.ACCEPTED] * 160
        assert server.connection_count <= 10
    arrived = sorted(mail.addresses[0] for mail in server.mails)
    assert arrived == sorted(f"{number}.{turn}@rcpt.test" for number in range(8) for turn in range(20))
