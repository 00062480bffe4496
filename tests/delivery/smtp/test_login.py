"""Rounds of AUTH methods: each method once, one connection at a time, and nothing more after a rejection."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest

from delivery.envelope import Outcome, Stage
from delivery.smtp.config import Security
from delivery.smtp.credentials import TokenError
from tests.certificates import CertificateAuthority
from tests.smtp_mail import build_delivery, build_timeouts, build_transport, grant_all, send, send_to
from tests.smtp_server import Cut, Last, Script, SmtpServer

USER = {"username": "ann@sender.test", "password": "correct horse"}
USERS = {USER["username"]: USER["password"]}
ALL = ["PIPELINING", "AUTH PLAIN LOGIN CRAM-MD5"]
NO = "535 5.7.8 no"


def list_methods(server: SmtpServer) -> list[str]:
    """The AUTH commands, `+` in place of an initial response."""
    words = [command.split(" ") for command in server.commands if command.startswith("AUTH ")]
    return [f"{word[1]} +" if len(word) > 2 else word[1] for word in words]


def test_a_relay_that_wants_plain_in_one_line_gets_it_in_one_line():
    script = Script(offers=["AUTH PLAIN LOGIN"], users=USERS, replies={"AUTH PLAIN": [None, NO]})
    with SmtpServer(script) as server:
        assert send_to(server, **USER).outcome is Outcome.ACCEPTED
    assert list_methods(server) == ["PLAIN +"]


@pytest.mark.parametrize("refusal", [NO, "501 5.5.4 syntax", "504 5.5.4 what?", "534 5.7.9 too weak", "500 what?"])
@pytest.mark.parametrize(
    ("refused", "tried"),
    [
        (["AUTH PLAIN +"], ["PLAIN +", "PLAIN"]),
        (["AUTH PLAIN"], ["PLAIN +", "PLAIN", "LOGIN"]),
        (["AUTH PLAIN", "AUTH LOGIN"], ["PLAIN +", "PLAIN", "LOGIN", "CRAM-MD5"]),
    ],
)
def test_the_next_method_follows_a_rejected_one(refused, tried, refusal):
    script = Script(offers=ALL, users=USERS, replies=dict.fromkeys(refused, refusal))
    with SmtpServer(script) as server:
        assert send_to(server, **USER).outcome is Outcome.ACCEPTED
    assert list_methods(server) == tried


def test_a_server_that_closes_after_each_rejection_gets_the_next_method_on_a_new_connection():
    script = Script(offers=ALL, users=USERS, replies=dict.fromkeys(["AUTH PLAIN", "AUTH LOGIN"], Last(NO)))
    with SmtpServer(script) as server:
        assert send_to(server, **USER).outcome is Outcome.ACCEPTED
    assert list_methods(server) == ["PLAIN +", "PLAIN", "LOGIN", "CRAM-MD5"]
    assert server.connection_count == 4


def test_a_method_that_breaks_each_connection_ends_too():
    replies = {"AUTH PLAIN": NO, "AUTH LOGIN": Cut(), "AUTH CRAM-MD5": Cut()}
    with SmtpServer(Script(offers=ALL, users=USERS, replies=replies)) as server:
        reply = send_to(server, **USER)
    assert (reply.stage, reply.code, reply.should_pause) == (Stage.AUTH, 535, True)
    assert server.connection_count < 6


def test_the_accepted_method_is_used_at_once_on_later_connections():
    script = Script(offers=ALL, users=USERS, replies={"AUTH PLAIN": NO})
    with SmtpServer(script) as server, closing(build_transport(server, max_messages=1, **USER)) as transport:
        assert [send(transport).outcome for _ in range(3)] == [Outcome.ACCEPTED] * 3
        assert transport.login_method == "LOGIN"
    assert list_methods(server) == ["PLAIN +", "PLAIN", "LOGIN", "LOGIN", "LOGIN"]


def test_many_connections_at_once_make_one_round():
    with (
        SmtpServer(Script(offers=ALL, users={"other": "x"})) as server,
        closing(build_transport(server, **USER)) as transport,
    ):
        replies = []

        def work() -> None:
            replies.extend(reply for _, reply in transport.transmit([build_delivery()], grant_all))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert [(reply.outcome, reply.should_pause) for reply in replies] == [(Outcome.DEFERRED, True)] * 8
    assert list_methods(server) == ["PLAIN +", "PLAIN", "LOGIN", "CRAM-MD5"]
    assert "tried PLAIN with initial response, PLAIN, LOGIN, CRAM-MD5" in replies[0].text


def test_after_the_pause_there_is_another_round():
    with (
        SmtpServer(Script(offers=["AUTH LOGIN"], users={"other": "x"})) as server,
        closing(build_transport(server, login_pause=timedelta(0), **USER)) as transport,
    ):
        send(transport)
        send(transport)
    assert list_methods(server) == ["LOGIN", "LOGIN"]


def test_a_temporary_failure_ends_the_round_without_a_rejection():
    replies = {"AUTH PLAIN": ["454 4.7.0 busy", None]}
    with (
        SmtpServer(Script(offers=["AUTH PLAIN"], users=USERS, replies=replies)) as server,
        closing(build_transport(server, **USER)) as transport,
    ):
        assert send(transport).should_pause is False
        assert send(transport).outcome is Outcome.ACCEPTED


class Turns:
    """The turns of two processes: `told` are the answers to `take`, in order."""

    def __init__(self, *told: str | None) -> None:
        self.told = list(told)
        self.ended: list[tuple[str, float]] = []

    def take(self, seconds: float) -> str | None:
        return self.told.pop(0)

    def give_back(self) -> None:
        self.ended.append(("", 0.0))

    def keep_rejection(self, text: str, seconds: float) -> None:
        self.ended.append((text, seconds))


def test_a_process_waits_for_the_turn_of_another_and_gives_its_own_back():
    turns = Turns("", "", None)
    with SmtpServer(Script(offers=ALL, users=USERS)) as server:
        assert send_to(server, login_turns=turns, **USER).outcome is Outcome.ACCEPTED
    assert turns.ended == [("", 0.0)]


def test_the_rejection_of_another_process_is_not_tried_again():
    with SmtpServer(Script(offers=ALL, users=USERS)) as server:
        reply = send_to(server, login_turns=Turns("no such user"), **USER)
    assert (reply.outcome, reply.should_pause, reply.text) == (Outcome.DEFERRED, True, "no such user")
    assert list_methods(server) == []


def test_a_rejection_is_told_to_the_other_processes():
    turns = Turns(None)
    with SmtpServer(Script(offers=["AUTH LOGIN"], users={"other": "x"})) as server:
        send_to(server, login_turns=turns, **USER)
    assert turns.ended == [("5.7.8 bad credentials", 300.0)]


def test_a_turn_that_never_comes_defers_without_a_pause():
    turns = Turns(*[""] * 1000)
    with SmtpServer(Script(offers=ALL, users=USERS)) as server:
        reply = send_to(server, login_turns=turns, timeouts=build_timeouts(auth=0.1), **USER)
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.AUTH, False)


# OAuth


class Tokens:
    """A token server: each call with a rejected token issues the next one."""

    def __init__(self, *issued: str | TokenError) -> None:
        self.issued = list(issued)
        self.rejected: list[str] = []

    def find_token(self, rejected: str = "") -> str:
        if rejected:
            self.rejected.append(rejected)
            self.issued.pop(0)
        found = self.issued[0]
        if isinstance(found, TokenError):
            raise found
        return found


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("ca")).issue("127.0.0.1")


def build_script(tls, mechanism: str, **values) -> Script:
    return Script(**{"offers": ["STARTTLS", f"TLS:AUTH LOGIN {mechanism}"], "tokens": ["good"], "tls": tls, **values})


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("refused", [{}, {"first": "501 5.5.2 no initial response, please"}])
def test_a_token_opens_the_session(tls, mechanism, refused):
    script = build_script(tls, mechanism, replies={f"AUTH {mechanism} +": text for text in refused.values()})
    with SmtpServer(script) as server:
        reply = send_to(server, username="ann", tokens=Tokens("good"), security=Security.STARTTLS)
    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].user == "ann"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_rejected_token_is_renewed_once(tls, mechanism):
    tokens = Tokens("expired", "good")
    with SmtpServer(build_script(tls, mechanism)) as server:
        reply = send_to(server, username="ann", tokens=tokens, security=Security.STARTTLS)
    assert (reply.outcome, tokens.rejected) == (Outcome.ACCEPTED, ["expired"])


def test_a_token_that_expires_in_the_run_is_renewed(tls):
    valid = ["first"]
    tokens = Tokens("first", "second")
    with SmtpServer(build_script(tls, "XOAUTH2", tokens=valid)) as server:
        values = {"username": "ann", "tokens": tokens, "security": Security.STARTTLS, "max_messages": 1}
        with closing(build_transport(server, **values)) as transport:
            assert send(transport).outcome is Outcome.ACCEPTED
            valid[:] = ["second"]
            assert send(transport).outcome is Outcome.ACCEPTED
    assert tokens.rejected == ["first"]


def test_a_token_that_is_rejected_after_its_renewal_pauses(tls):
    tokens = Tokens("expired", "expired too")
    with SmtpServer(build_script(tls, "XOAUTH2")) as server:
        reply = send_to(server, username="ann", tokens=tokens, security=Security.STARTTLS)
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.AUTH, True)
    assert "expired" not in reply.text
    assert len(tokens.rejected) == 1


@pytest.mark.parametrize("is_rejected", [True, False])
def test_without_a_token_nothing_is_sent(tls, is_rejected):
    tokens = Tokens(TokenError("no token for you", is_rejected=is_rejected))
    with SmtpServer(build_script(tls, "XOAUTH2")) as server:
        reply = send_to(server, username="ann", tokens=tokens, security=Security.STARTTLS)
    assert (reply.outcome, reply.should_pause, reply.text) == (Outcome.DEFERRED, is_rejected, "no token for you")
    assert list_methods(server) == []


def test_a_token_goes_over_tls_only():
    with SmtpServer(Script(offers=["AUTH XOAUTH2"], tokens=["good"])) as server:
        reply = send_to(server, username="ann", tokens=Tokens("good"))
    assert (reply.outcome, reply.should_pause) == (Outcome.DEFERRED, True)
    assert "not encrypted" in reply.text
    assert list_methods(server) == []


def test_the_preferred_mechanism_is_tried_first(tls):
    values = {"username": "ann", "tokens": Tokens("good"), "security": Security.STARTTLS}
    with SmtpServer(build_script(tls, "XOAUTH2 OAUTHBEARER")) as server:
        send_to(server, token_mechanism="OAUTHBEARER", **values)
        send_to(server, **values)
    assert list_methods(server) == ["OAUTHBEARER +", "XOAUTH2 +"]
