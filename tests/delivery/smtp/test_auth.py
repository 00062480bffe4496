from base64 import b64encode

import pytest

from delivery.envelope import Outcome, Stage
from delivery.smtp.auth import PASSWORD_METHODS, TOKEN_METHODS, AuthMethod, NoMethodError, choose_methods
from delivery.smtp.config import Security, SmtpConfig
from tests.certificates import CertificateAuthority
from tests.smtp_mail import build_timeouts, send_to
from tests.smtp_server import Cut, Script, Silent, SmtpServer

USER = {"username": "ann@sender.test", "password": "pässwörd 1"}
USERS = {USER["username"]: USER["password"]}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_each_mechanism_opens_the_door(mechanism):
    with SmtpServer(Script(offers=["PIPELINING", f"AUTH {mechanism}"], users=USERS)) as server:
        reply = send_to(server, **USER)
    assert reply.outcome is Outcome.ACCEPTED
    assert server.mails[0].user == USER["username"]


@pytest.mark.parametrize(("mechanism", "count"), [("PLAIN", 2), ("LOGIN", 1), ("CRAM-MD5", 1)])
def test_a_wrong_password_pauses_the_provider_and_bounces_no_recipient(mechanism, count):
    with SmtpServer(Script(offers=[f"AUTH {mechanism}"], users=USERS)) as server:
        reply = send_to(server, username=USER["username"], password="wrong")
    assert (reply.outcome, reply.stage, reply.code) == (Outcome.DEFERRED, Stage.AUTH, 535)
    assert (reply.should_pause, reply.has_reached) == (True, False)
    assert server.verbs().count("AUTH") == count
    assert "MAIL" not in server.verbs()


def test_the_old_form_of_the_offer_is_understood():
    with SmtpServer(Script(offers=["AUTH=LOGIN PLAIN"], users=USERS)) as server:
        assert send_to(server, **USER).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("offers", [[], ["AUTH GSSAPI XOAUTH2"], ["AUTH"]])
def test_credentials_without_a_mechanism_for_them_pause_the_provider(offers):
    with SmtpServer(Script(offers=offers)) as server:
        reply = send_to(server, **USER)
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.AUTH, True)
    assert "no supported authentication mechanism" in reply.text


def test_a_temporary_failure_slows_and_does_not_pause():
    with SmtpServer(Script(offers=["AUTH PLAIN"], users=USERS, replies={"AUTH": "454 4.7.0 later"})) as server:
        reply = send_to(server, **USER)
    assert (reply.outcome, reply.should_slow, reply.should_pause) == (Outcome.DEFERRED, True, False)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_a_server_that_wants_credentials_pauses_the_provider(verb):
    with SmtpServer(Script(replies={verb: "530 5.7.0 authenticate first"})) as server:
        reply = send_to(server)
    assert (reply.outcome, reply.should_pause, reply.should_suppress) == (Outcome.DEFERRED, True, False)


@pytest.mark.parametrize("act", [Cut(), Silent(), "nonsense"])
def test_an_authentication_that_breaks_defers_without_blame(act):
    with SmtpServer(Script(offers=["AUTH PLAIN"], users=USERS, replies={"AUTH": act})) as server:
        reply = send_to(server, **USER, timeouts=build_timeouts(auth=0.3))
    assert (reply.outcome, reply.stage, reply.should_pause) == (Outcome.DEFERRED, Stage.AUTH, False)


@pytest.mark.parametrize("challenge", ["334 !", "334 ====", "334 ä", "334"])
def test_a_broken_challenge_is_answered_by_giving_up(challenge):
    script = Script(offers=["AUTH CRAM-MD5"], users=USERS, replies={"AUTH CRAM-MD5": challenge})
    with SmtpServer(script) as server:
        reply = send_to(server, **USER)
    assert reply.outcome is Outcome.DEFERRED
    assert server.mails == []


# Secrets


def test_in_clear_to_another_machine_only_cram_md5_is_used():
    assert choose_methods("PLAIN LOGIN CRAM-MD5", PASSWORD_METHODS, is_secret_safe=False) == [AuthMethod("CRAM-MD5")]
    with pytest.raises(NoMethodError, match="not encrypted"):
        choose_methods("PLAIN LOGIN", PASSWORD_METHODS, is_secret_safe=False)
    with pytest.raises(NoMethodError, match="not encrypted"):
        choose_methods("XOAUTH2", TOKEN_METHODS, is_secret_safe=False)


def test_over_tls_the_simplest_method_is_first():
    chosen = choose_methods("cram-md5 login plain", PASSWORD_METHODS, is_secret_safe=True)
    assert [str(method) for method in chosen] == ["PLAIN with initial response", "PLAIN", "LOGIN", "CRAM-MD5"]


def test_credentials_go_over_tls_only_after_it_is_there(tmp_path):
    tls = CertificateAuthority(tmp_path).issue("127.0.0.1")
    script = Script(offers=["STARTTLS", "TLS:AUTH PLAIN", "PIPELINING"], users=USERS, tls=tls)
    with SmtpServer(script) as server:
        assert send_to(server, **USER, security=Security.STARTTLS).outcome is Outcome.ACCEPTED
    assert server.verbs()[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert server.mails[0].user == USER["username"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_an_answer_that_repeats_the_password_is_not_shown(mechanism):
    secret = b64encode(f"\0{USER['username']}\0{USER['password']}".encode()).decode()
    if mechanism == "LOGIN":
        secret = b64encode(USER["password"].encode()).decode()
    script = Script(offers=[f"AUTH {mechanism}"], replies={"AUTH": f"500 unknown command {secret}"})
    with SmtpServer(script) as server:
        reply = send_to(server, **USER)
    assert (reply.outcome, reply.code) == (Outcome.DEFERRED, 500)
    assert secret not in reply.text
    assert "not shown" in reply.text


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("AUTH", "AUTH PLAIN {secret}"),  # what it hears comes back, and is no reply
        ("MAIL", "500 unknown command {secret}"),  # a reply to an earlier command
        ("MAIL", "what is {secret}?"),
    ],
)
def test_no_later_or_broken_answer_shows_the_password(verb, answer):
    secret = b64encode(f"\0{USER['username']}\0{USER['password']}".encode()).decode()
    script = Script(offers=["AUTH PLAIN"], replies={verb: answer.format(secret=secret)})
    with SmtpServer(script) as server:
        reply = send_to(server, **USER)
    assert reply.outcome is not Outcome.ACCEPTED
    assert reply.text
    assert secret[:12] not in reply.text


def test_the_password_is_in_no_representation():
    assert "hush" not in repr(SmtpConfig(host="h", username="u", password="hush"))
