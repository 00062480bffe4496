"""Direct delivery to the recipient's server: the order of addresses, and the meaning of replies."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from delivery.envelope import Reply
from delivery.mx.mta_sts import MemoryStore, PolicyFinder
from delivery.mx.route import MxRouter
from delivery.mx.transport import MxConfig, MxTransport
from delivery.ssrf import Guard
from emailsvc.launcher.ports import held_port
from tests.certificates import CertificateAuthority, Kind
from tests.delivery.mx.mx_names import Zone
from tests.smtp_mail import build_delivery, build_timeouts, send_all
from tests.smtp_server import Act, Cut, Script, Silent, SmtpServer

GUARD = Guard(allowed=[ip_network("127.0.0.0/8"), ip_network("::1/128")])
POLICY = "version: STSv1\nmode: enforce\nmx: mx1.rcpt.test\nmax_age: 86400\n"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HAS_IPV6 = has_ipv6()


class Mail:
    """rcpt.test with one server for each script: mx1 on 127.0.0.1, mx2 on 127.0.0.2, … None is a host that is down."""

    def __init__(self, stack: ExitStack, scripts: list[Script | None]) -> None:
        # Held on all addresses: each server listens on one of its own.
        self.port = stack.enter_context(held_port("::" if HAS_IPV6 else "0.0.0.0"))
        self.servers = [
            stack.enter_context(SmtpServer(script, host=f"127.0.0.{number}", port=self.port)) if script else None
            for number, script in enumerate(scripts, 1)
        ]
        names = [f"mx{number}.rcpt.test" for number in range(1, len(scripts) + 1)]
        self.zone = Zone(
            mx={"rcpt.test": [f"{number * 10} {name}" for number, name in enumerate(names, 1)]},
            hosts={name: [f"127.0.0.{number}"] for number, name in enumerate(names, 1)},
        )
        self.stack = stack
        self.transport = self.build()

    def build(self, policy: str = "", circuits: CircuitBreakers | None = None, **values: Any) -> MxTransport:
        self.zone.texts = {"_mta-sts.rcpt.test": ["v=STSv1; id=1"]} if policy else {}
        router = MxRouter(
            resolver=self.zone, guard=GUARD, policies=PolicyFinder(self.zone, lambda _: policy, MemoryStore())
        )
        usual = {"port": self.port, "timeouts": build_timeouts(connect=2), "helo_name": "us.test"}
        return self.stack.enter_context(
            closing(MxTransport(MxConfig(**{**usual, **values}), router, circuits))  # type: ignore[arg-type]
        )

    def send(self, transport: MxTransport | None = None) -> Reply:
        return send_all(transport or self.transport, [build_delivery(envelope_id="x")])[0]

    def counts(self) -> list[int]:
        return [len(server.mails) if server else 0 for server in self.servers]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def greet(act: Act) -> Script:
    return Script(replies={"CONNECT": act})


def test_the_recipients_own_server_delivers(stack: ExitStack) -> None:
    mail = Mail(stack, [Script()])
    reply = mail.send()
    assert (reply.outcome, reply.code) == ("delivered", 250)
    assert reply.remote_host == f"mx1.rcpt.test[127.0.0.1]:{mail.port}"
    assert mail.servers[0] is not None
    assert not [line for line in mail.servers[0].commands if "NOTIFY" in line]


@pytest.mark.parametrize(
    "first",
    [
        None,
        greet("554 5.3.2 go away"),
        greet("521 5.3.2 no mail here"),
        greet("530 5.7.0 log in"),
        greet("421 4.3.2 busy"),
        greet(Cut()),
        Script(replies={"EHLO": "421 no"}),
        Script(replies={"EHLO": "530 5.7.0 STARTTLS first", "HELO": "530 5.7.0 STARTTLS first"}),
    ],
)
def test_a_server_that_is_down_or_does_not_greet_is_followed_by_the_next(
    stack: ExitStack, first: Script | None
) -> None:
    mail = Mail(stack, [first, Script()])
    reply = mail.send()
    assert (reply.outcome, mail.counts()) == ("delivered", [0, 1])
    assert reply.remote_host.startswith("mx2.rcpt.test")


@pytest.mark.parametrize(("second", "is_begun"), [(Script(), True), (greet("554 5.3.2 go away"), False), (None, False)])
def test_a_conversation_has_begun_when_the_last_server_that_was_tried_has_greeted_us(
    stack: ExitStack, second: Script | None, is_begun: bool
) -> None:
    mail = Mail(stack, [Script(replies={"EHLO": "421 no"}), second])
    delivery = build_delivery()
    send_all(mail.transport, [delivery])
    assert (delivery.clock.begun_at is not None) is is_begun


@pytest.mark.skipif(not HAS_IPV6, reason="needs ::1")
@pytest.mark.parametrize("is_up", [True, False])
def test_ipv6_is_tried_before_ipv4_and_ipv4_when_it_does_not_answer(stack: ExitStack, is_up: bool) -> None:
    mail = Mail(stack, [Script()])
    mail.zone.hosts = {**mail.zone.hosts, "mx1.rcpt.test": ["::1", "127.0.0.1"]}
    newer = stack.enter_context(SmtpServer(host="::1", port=mail.port)) if is_up else None
    reply = mail.send()
    assert (reply.outcome, mail.counts()) == ("delivered", [int(not is_up)])
    assert reply.remote_host == f"mx1.rcpt.test[{'::1' if newer else '127.0.0.1'}]:{mail.port}"


def test_tls_that_fails_is_followed_by_a_line_in_clear_to_the_same_server(stack: ExitStack) -> None:
    mail = Mail(stack, [Script(offers=("STARTTLS",), replies={"TLS": b"this is no TLS\r\n"}), Script()])
    reply = mail.send()
    assert (reply.outcome, reply.tls, mail.counts()) == ("delivered", "", [1, 0])


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ({"RCPT": "550 5.1.1 nobody"}, "bounced"),
        ({"RCPT": "451 4.7.1 greylisted"}, "deferred"),
        ({".": "554 5.6.0 malformed"}, "failed"),
        ({".": "554 5.7.1 spam"}, "bounced"),
        ({"MAIL": "550 5.7.1 blocked"}, "bounced"),
    ],
)
def test_what_is_said_about_the_mail_holds_for_all_servers(
    stack: ExitStack, replies: dict[str, str], outcome: str
) -> None:
    mail = Mail(stack, [Script(replies=replies), Script()])
    assert (mail.send().outcome, mail.counts()) == (outcome, [0, 0])


def test_after_the_dot_no_other_server_gets_the_mail(stack: ExitStack) -> None:
    mail = Mail(stack, [Script(replies={".": Cut()}), Script()])
    assert (mail.send().outcome, mail.counts()) == ("uncertain", [0, 0])


def test_a_line_that_breaks_before_the_dot_is_followed_by_the_next_server(stack: ExitStack) -> None:
    mail = Mail(stack, [Script(replies={"MAIL": Cut()}), Script()])
    assert (mail.send().outcome, mail.counts()) == ("delivered", [0, 1])


def test_when_all_greet_with_5xx_the_mail_waits(stack: ExitStack) -> None:
    mail = Mail(stack, [greet("554 no"), greet("554 no")])
    reply = mail.send()
    assert (reply.outcome, reply.stage, reply.has_reached) == ("deferred", "greeting", False)


@pytest.mark.parametrize("greeting", ["521 no mail here", "530 5.7.0 log in", "550 5.7.1 you are listed"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_host_that_may_work_later_outweighs_one_that_refuses(stack: ExitStack, greeting: str, is_first: bool) -> None:
    scripts = [greet(greeting), greet("421 4.3.2 busy")]
    reply = Mail(stack, scripts if is_first else scripts[::-1]).send()
    assert (reply.outcome, reply.should_suppress, reply.should_pause) == ("deferred", False, False)


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("act", ["521 5.3.2 no", "530 5.7.0 log in", "535 5.7.8 wrong", "554 5.7.1 listed", Cut()])
def test_a_strangers_refusal_pauses_nothing_and_suppresses_nobody(stack: ExitStack, verb: str, act: Act) -> None:
    replies = {verb: act, **({"HELO": act} if verb == "EHLO" else {})}
    reply = Mail(stack, [Script(replies=replies)]).send()
    assert (reply.should_pause, reply.should_suppress) == (False, False)
    assert reply.outcome in {"deferred", "bounced", "failed", "uncertain"}


def test_a_policy_that_a_host_breaks_leaves_the_hosts_other_domains_alone(stack: ExitStack) -> None:
    mail = Mail(stack, [Script()])
    mail.zone.mx = {**mail.zone.mx, "other.test": ["10 mx1.rcpt.test"]}
    transport = mail.build(POLICY, circuits=CircuitBreakers(BreakerPolicy(failures=1)))
    for _ in range(2):
        reply = mail.send(transport)
        assert (reply.outcome, reply.should_pause) == ("deferred", False)
    (other,) = send_all(transport, [build_delivery(address="one@other.test")])
    assert other.outcome == "delivered"


def test_a_server_that_was_silent_is_passed_over_until_its_time_is_over(stack: ExitStack) -> None:
    mail = Mail(stack, [greet(Silent()), Script()])
    circuits = CircuitBreakers(BreakerPolicy(failures=2, first_wait=timedelta(minutes=1)))
    transport = mail.build(circuits=circuits, timeouts=build_timeouts(greeting=0.1))
    for _ in range(5):
        assert mail.send(transport).outcome == "delivered"
    assert mail.servers[0] is not None
    assert mail.servers[0].connection_count == 2


def test_while_all_servers_rest_mail_is_deferred_at_once_with_the_reason(stack: ExitStack) -> None:
    mail = Mail(stack, [None])
    transport = mail.build(circuits=CircuitBreakers(BreakerPolicy(failures=1)))
    assert "refused" in mail.send(transport).text
    reply = mail.send(transport)
    assert (reply.outcome, reply.enhanced_code, reply.should_slow) == ("deferred", "4.4.1", False)
    assert "is skipped after failures" in reply.text
    assert "refused" in reply.text


def test_connections_are_kept_between_mails(stack: ExitStack) -> None:
    mail = Mail(stack, [Script()])
    for _ in range(3):
        mail.send()
    assert mail.servers[0] is not None
    assert (mail.servers[0].connection_count, mail.counts()) == (1, [3])
    assert len([name for name in mail.zone.asked if name.startswith("MX")]) == 1


def test_tls_is_used_where_it_is_offered_whatever_the_certificate(stack: ExitStack, tmp_path: Path) -> None:
    tls = CertificateAuthority(tmp_path).issue("somebody-else.test", lifetime=-timedelta(days=1))
    mail = Mail(stack, [Script(offers=("STARTTLS",), tls=tls)])
    reply = mail.send()
    assert (reply.outcome, reply.tls[:3]) == ("delivered", "TLS")


@pytest.mark.parametrize("kind", Kind)
def test_a_policy_wants_a_certificate_for_the_exchangers_name(stack: ExitStack, tmp_path: Path, kind: Kind) -> None:
    authority = CertificateAuthority(tmp_path, kind)
    good = Script(offers=("STARTTLS",), tls=authority.issue("mx1.rcpt.test"))
    mail = Mail(stack, [good])
    reply = mail.send(mail.build(POLICY, ca_file=str(authority.ca_file)))
    assert (reply.outcome, reply.tls[:3]) == ("delivered", "TLS")


@pytest.mark.parametrize("is_offered", [True, False])
def test_under_a_policy_nothing_goes_in_clear_or_to_strangers(
    stack: ExitStack, tmp_path: Path, is_offered: bool
) -> None:
    authority = CertificateAuthority(tmp_path)
    script = Script(offers=("STARTTLS",), tls=authority.issue("stranger.test")) if is_offered else Script()
    mail = Mail(stack, [script, Script()])
    reply = mail.send(mail.build(POLICY, ca_file=str(authority.ca_file)))
    assert (reply.outcome, reply.stage, mail.counts()) == ("deferred", "tls", [0, 0])
    assert (reply.should_pause, reply.should_suppress) == (False, False)


def test_a_domain_without_a_way_is_answered_without_a_connection(stack: ExitStack) -> None:
    mail = Mail(stack, [Script()])
    delivery = build_delivery(address="one@null.test")
    mail.zone.mx = {**mail.zone.mx, "null.test": ["0 ."]}
    (reply,) = send_all(mail.transport, [delivery])
    assert (reply.outcome, reply.enhanced_code, reply.should_suppress) == ("bounced", "5.1.10", True)
