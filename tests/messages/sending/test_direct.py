"""Direct delivery by a worker: a separate pace for each domain's servers."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from statistics import quantiles
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from accounts.models import Notice
from emailsvc.launcher.ports import held_port
from messages.models import Attempt, Message, Recipient
from messages.sending.loop import SendingLoop
from messages.states import Lane, Status
from providers.models import Provider
from providers.transports import find_resolver
from tests.conftest import ApiClient
from tests.domains.dns_server import DnsServer, run_dns_server
from tests.provider_rows import settings_of
from tests.smtp_server import Joined, Late, Script, SmtpServer
from tracking.models import Suppression, SuppressionWave
from tracking.suppressions.identity_refusals import identity_refusals

Send = Callable[..., Message]
Deliver = Callable[..., None]


class Internet:
    """Domains with a server each, all on one port and addresses of their own."""

    def __init__(self, stack: ExitStack, dns: DnsServer) -> None:
        self._stack = stack
        self.dns = dns
        self.servers: dict[str, SmtpServer] = {}
        self.port = stack.enter_context(held_port("0.0.0.0"))

    def add(self, domain: str, script: Script | None = None) -> SmtpServer:
        host = f"127.0.0.{len(self.servers) + 1}"
        server = self._stack.enter_context(SmtpServer(script, host=host, port=self.port))
        self.servers[domain] = server
        self.dns.put(domain, "MX", f"10 mx.{domain}.")
        self.dns.put(f"mx.{domain}", "A", host)
        return server

    def provide(self) -> Provider:
        return Provider.objects.create(name="direct", kind="mx", settings=settings_of(f"mx:?port={self.port}"))


@pytest.fixture
def internet(settings: Any) -> Iterator[Internet]:
    with ExitStack() as stack:
        dns = stack.enter_context(run_dns_server())
        settings.DNS_SERVERS = [dns.address]
        settings.MX_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        find_resolver.cache_clear()
        identity_refusals.forget()
        yield Internet(stack, dns)
        find_resolver.cache_clear()


def test_mail_goes_straight_to_each_recipients_server(
    internet: Internet, db: None, send: Send, deliver: Deliver
) -> None:
    one, two = internet.add("one.test"), internet.add("two.test")
    internet.provide()
    message = send(to=["a@one.test", "b@two.test"])
    deliver()
    message.refresh_from_db()
    assert message.status == Status.DELIVERED
    assert ([mail.addresses for mail in one.mails], [mail.addresses for mail in two.mails]) == (
        [["a@one.test"]],
        [["b@two.test"]],
    )


def test_a_domain_that_does_not_exist_bounces_and_one_whose_dns_fails_waits(
    internet: Internet, db: None, send: Send, deliver: Deliver
) -> None:
    internet.add("one.test")
    internet.provide()
    internet.dns.put("null.test", "MX", "0 .")
    internet.dns.rcodes["broken.test"] = 2  # type: ignore[assignment]
    internet.dns.put("loop.test", "MX", "0 mx.loop.test.")
    internet.dns.put("mx.loop.test", "A", "10.0.0.1")
    send(to=["a@gone.test", "b@null.test", "c@broken.test", "d@loop.test"])
    deliver()
    assert dict(Recipient.objects.values_list("address", "status")) == {
        "a@gone.test": "bounced",
        "b@null.test": "bounced",
        "c@broken.test": "queued",
        "d@loop.test": "failed",
    }
    codes = dict(Attempt.objects.values_list("recipient__address", "enhanced_code"))
    assert (codes["a@gone.test"], codes["b@null.test"]) == ("5.1.2", "5.1.10")


def test_what_a_strangers_server_says_pauses_nothing(
    internet: Internet, db: None, send: Send, deliver: Deliver
) -> None:
    internet.add("good.test")
    for number, verb in enumerate(["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."]):
        internet.add(f"s{number}.test", Script(replies={verb: "530 5.7.0 log in first", "HELO": "530 5.7.0 no"}))
    provider = internet.provide()
    send(to=[f"a@s{number}.test" for number in range(6)])
    deliver()
    provider.refresh_from_db()
    assert (provider.is_paused, provider.paused_until) == (False, None)
    assert not Suppression.objects.exists()
    assert set(Recipient.objects.values_list("status", flat=True)) <= {"queued", "delivering", "bounced"}
    message = send(to=["b@good.test"])
    deliver()
    message.refresh_from_db()
    assert message.status == Status.DELIVERED


def test_many_refusals_alike_suppress_nobody_and_are_told(
    internet: Internet, db: None, send: Send, deliver: Deliver, settings: Any, api: ApiClient
) -> None:
    settings.SUPPRESSION_WAVE_ADDRESSES = 6
    for number in range(3):
        internet.add(f"d{number}.test", Script(replies={"RCPT": f"550 5.1.1 filter {number} dropped you"}))
    internet.provide()
    message = send(to=[f"a{number}@d{number % 3}.test" for number in range(6)])
    deliver()
    message.refresh_from_db()
    assert (message.status, Suppression.objects.count()) == (Status.BOUNCED, 0)
    wave = SuppressionWave.objects.get()
    assert (wave.words, wave.entries.count()) == ("filter dropped you", 6)
    told = api.get(f"/emails/{message.pk}/explain").json()["recipients"][0]
    assert "held back" in told["why"]
    assert "filter dropped you" in told["why"]
    again = send(to=["a1@d1.test"])
    assert again.status == Status.QUEUED


def test_many_refusals_of_us_suppress_nobody_and_are_told(
    internet: Internet, db: None, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.SUPPRESSION_WAVE_ADDRESSES = 6
    for number in range(3):
        text = "550 5.7.1 your IP address is listed at zen.spamhaus.org"
        internet.add(f"d{number}.test", Script(replies={"RCPT": text}))
    provider = internet.provide()
    send(to=[f"a{number}@d{number % 3}.test" for number in range(6)])
    deliver()
    assert (Suppression.objects.count(), SuppressionWave.objects.count()) == (0, 0)
    assert [notice.kind for notice in Notice.objects.all()] == ["identity_refused"]
    provider.refresh_from_db()
    assert provider.paused_until is None


@pytest.mark.django_db(transaction=True)
def test_one_slow_server_does_not_hold_up_the_others(internet: Internet, send: Send) -> None:
    """60 mails for a server that takes 30 s are due first; the others' 95th percentile stays where it was."""
    domains = [f"d{number}.test" for number in range(5)]
    for domain in domains:
        internet.add(domain)
    slow = internet.add("slow.test", Script(replies={"MAIL": Late("250 ok", 30)}))
    internet.provide()
    usual, _ = measure(send, domains)
    for number in range(60):
        send(to=[f"u{number}@slow.test"])
    beside, child = measure(send, domains)
    assert Recipient.objects.filter(domain="slow.test", lease_token__isnull=False).count() <= 6
    assert slow.connection_count <= 3
    # Far below the 30 s; what is left is this machine's noise.
    assert beside < max(2 * usual, usual + 1.0)
    Recipient.objects.filter(domain="slow.test", lease_token=None).update(next_attempt_at=None)
    while child.is_alive():
        slow.cut_all()
        child.join(0.1)


def measure(send: Send, domains: list[str]) -> tuple[float, Thread]:
    """The 95th percentile of seconds until delivery, of 60 mails that are sent together, and the child that sends."""
    messages = [send(to=[f"u{number}@{domains[number % len(domains)]}"]) for number in range(60)]

    def work() -> None:
        try:
            SendingLoop(Lane.NORMAL, lambda: None).run()
        finally:
            connection.close()

    begun_at = time.monotonic()
    child = Thread(target=work, daemon=True)
    child.start()
    ids = [message.pk for message in messages]
    while Message.objects.filter(pk__in=ids).exclude(status=Status.DELIVERED).exists():
        assert time.monotonic() - begun_at < 20
        time.sleep(0.02)
    rows = Attempt.objects.filter(recipient__message__in=ids).values_list(
        "finished_at", "recipient__message__created_at"
    )
    return quantiles([(finished - created).total_seconds() for finished, created in rows], n=20)[-1], child


def test_the_limit_of_an_accepting_server_grows(internet: Internet, db: None, send: Send, deliver: Deliver) -> None:
    """Three conversations to begin with; after six replies the server answers once there are more than six."""
    glad = internet.add("glad.test", Script(replies={".": [None] * 6 + [Joined("250 ok", 7)] * 54}))
    internet.provide()
    for number in range(60):
        send(to=[f"u{number}@glad.test"])
    deliver()
    assert len(glad.mails) == 60
    assert glad.connection_count > 6


def test_the_limit_of_a_throttling_server_shrinks(internet: Internet, db: None, send: Send, deliver: Deliver) -> None:
    busy = internet.add("busy.test", Script(replies={"CONNECT": ["421 4.7.0 too many connections"] * 100}))
    other = internet.add("other.test")
    internet.provide()
    for number in range(30):
        send(to=[f"u{number}@busy.test"])
    send(to=["a@other.test"])
    deliver()
    assert len(other.mails) == 1
    assert busy.connection_count <= 12
    assert set(Recipient.objects.filter(domain="busy.test").values_list("status", flat=True)) == {"queued"}
