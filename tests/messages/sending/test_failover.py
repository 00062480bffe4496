"""A failing provider is replaced by the next one, and used again after recovery; the email shows the history."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from messages.models import Attempt, Message, Recipient
from messages.sending import loop
from messages.states import OnUncertain, Status
from providers.models import Provider
from providers.routing import selection as choice_module
from tests.conftest import ApiClient
from tests.provider_rows import settings_of
from tests.smtp_server import Cut, Script, SmtpServer

Send = Callable[..., Message]
Deliver = Callable[..., None]


@pytest.fixture
def circuits(monkeypatch: pytest.MonkeyPatch) -> CircuitBreakers:
    """Circuits of this test alone that open at the first failure and whose time the test sets."""
    now = [1000.0]
    made = CircuitBreakers(BreakerPolicy(failures=2, first_wait=timedelta(seconds=5)), clock=lambda: now[0])
    made.now = now  # type: ignore[attr-defined]
    monkeypatch.setattr(choice_module, "provider_breakers", made)
    monkeypatch.setattr(loop, "provider_breakers", made)
    return made


def add(name: str, server: SmtpServer | int, priority: int = 0, **values: Any) -> Provider:
    port = server if isinstance(server, int) else server.port
    url = values.pop("url", f"smtp://127.0.0.1:{port}?tls=never")
    return Provider.objects.create(name=name, kind="smtp", settings=settings_of(url), priority=priority, **values)


def tell(message: Message) -> list[tuple[str, str, str]]:
    """Provider, outcome and reason of each attempt."""
    rows = Attempt.objects.filter(recipient__message=message).order_by("number")
    return [(row.provider_name, row.outcome, (row.decision or {}).get("because", "")) for row in rows]


def test_a_refused_connection_goes_to_the_next_provider_at_once(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, api: ApiClient, closed_port: int
) -> None:
    with SmtpServer() as good:
        add("a", closed_port)
        add("b", good, priority=1)
        message = send()
        deliver()
        assert len(good.mails) == 1
    shown = api.get(f"/emails/{message.pk}").json()
    assert shown["status"] == "sent"
    first, second = shown["attempts"]
    assert (first["provider"], first["outcome"], first["decision"]) == (
        "a",
        "deferred",
        {"because": "priority", "skipped": []},
    )
    assert (second["provider"], second["outcome"], second["decision"]["because"]) == ("b", "accepted", "failover")
    (skipped,) = second["decision"]["skipped"]
    assert skipped["provider"] == "a"
    assert "refused" in skipped["because"]
    assert Recipient.objects.get().deferral_count == 0


@pytest.mark.parametrize(
    "script",
    [
        Script(replies={"CONNECT": "554 5.3.2 no"}),
        Script(replies={"CONNECT": "421 4.3.2 busy"}),
        Script(replies={"EHLO": Cut()}),
        Script(replies={"MAIL": Cut()}),
        Script(offers=("AUTH PLAIN",), users={"me": "right"}),
    ],
)
def test_what_is_wrong_with_the_provider_is_not_held_against_the_mail(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, script: Script
) -> None:
    with SmtpServer(script) as bad, SmtpServer() as good:
        login = "me:wrong@" if script.users else ""
        add("a", bad, url=f"smtp://{login}127.0.0.1:{bad.port}?tls=never")
        add("b", good, priority=1)
        message = send()
        deliver()
    assert [row[:2] for row in tell(message)] == [("a", "deferred"), ("b", "accepted")]


@pytest.mark.parametrize(
    ("replies", "outcome", "status"),
    [
        ({"RCPT": "550 5.1.1 nobody"}, "bounced", "bounced"),
        ({"RCPT": "451 4.7.1 greylisted"}, "deferred", "delivering"),
        ({".": "554 5.6.0 content"}, "failed", "failed"),
        ({".": Cut()}, "uncertain", "delivering"),
    ],
)
def test_what_is_said_about_the_mail_is_no_reason_to_go_elsewhere(
    circuits: CircuitBreakers,
    db: None,
    send: Send,
    deliver: Deliver,
    replies: dict[str, Any],
    outcome: str,
    status: str,
) -> None:
    with SmtpServer(Script(replies=replies)) as first, SmtpServer() as second:
        add("a", first)
        add("b", second, priority=1)
        message = send()
        deliver()
        assert second.mails == []
    message.refresh_from_db()
    assert ([row[:2] for row in tell(message)], message.status) == ([("a", outcome)], status)


def test_when_all_have_failed_the_mail_waits_and_begins_anew(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, closed_port: int
) -> None:
    add("a", closed_port)
    add("b", closed_port, priority=1)
    message = send()
    deliver()
    assert [row[:2] for row in tell(message)] == [("a", "deferred"), ("b", "deferred")]
    recipient = Recipient.objects.get()
    assert recipient.deferral_count == 1
    assert recipient.next_attempt_at is not None
    assert recipient.next_attempt_at > timezone.now() + timedelta(seconds=30)
    deliver(is_later=True)
    assert [row[0] for row in tell(message)] == ["a", "b", "a", "b"]


def test_after_some_failures_a_provider_is_not_tried_until_a_probe_says_so(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, closed_port: int
) -> None:
    """A refuses, then takes mail and drops the line, then recovers."""
    with SmtpServer() as b:
        add("a", closed_port)
        add("b", b, priority=1)
        for _ in range(2):
            send()
        deliver()
        held = send()
        deliver()
        assert tell(held) == [("b", "accepted", "failover")]
        assert len(b.mails) == 3
        circuits.now[0] += 6  # type: ignore[attr-defined]
        with SmtpServer(Script(replies={".": [Cut()]}), port=closed_port) as again:
            uncertain = send(on_uncertain=OnUncertain.HOLD)
            deliver()
            assert tell(uncertain) == [("a", "uncertain", "probe")]
            later = send()
            deliver()
            assert tell(later) == [("b", "accepted", "failover")]
            circuits.now[0] += 11  # type: ignore[attr-defined]
            probe, after = send(), None
            deliver()
            assert tell(probe) == [("a", "accepted", "probe")]
            after = send()
            deliver()
            assert tell(after) == [("a", "accepted", "priority")]
            assert len(again.mails) == 2
    uncertain.refresh_from_db()
    assert uncertain.status == Status.DELIVERING


def test_a_provider_that_throttles_slows_down_and_fails_no_mail(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver
) -> None:
    with SmtpServer(Script(replies={"MAIL": ["421 4.7.0 too much, try again in 90 seconds"] * 3})) as only:
        add("only", only)
        send()
        deliver()
        recipient = Recipient.objects.get()
        assert (recipient.status, recipient.deferral_count) == (Status.DELIVERING, 1)
        # The others are not even claimed while it rests.
        send(to=["two@rcpt.test"])
        deliver()
        assert Attempt.objects.filter(recipient__address="two@rcpt.test").count() == 0
        assert Recipient.objects.get(address="two@rcpt.test").attempt_count == 0


def test_without_another_way_a_throttled_mail_waits_as_told_and_does_not_count_as_tried(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver
) -> None:
    with SmtpServer(Script(replies={"CONNECT": "421 4.7.0 busy, try again in 90 seconds"})) as only:
        add("only", only)
        send()
        deliver()
    recipient = Recipient.objects.get()
    assert (recipient.status, recipient.deferral_count) == (Status.QUEUED, 0)
    assert recipient.next_attempt_at is not None
    wait = recipient.next_attempt_at - timezone.now()
    assert timedelta(seconds=80) < wait <= timedelta(seconds=90)


def test_a_rate_limit_is_kept(circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, settings: Any) -> None:
    settings.DELIVER_TIME = timedelta(seconds=0.2)
    with SmtpServer() as relay:
        add("relay", relay, rate_limit=2)
        for _ in range(6):
            send()
        deliver()
        assert len(relay.mails) <= 3
        for _ in range(20):
            deliver()
            if len(relay.mails) == 6:
                break
        assert len(relay.mails) == 6


def test_a_connection_limit_is_kept(circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver) -> None:
    with SmtpServer() as relay:
        add("relay", relay, connection_limit=2)
        for _ in range(12):
            send()
        deliver()
        assert (len(relay.mails), relay.connection_count <= 2) == (12, True)
