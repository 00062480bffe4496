"""The sending loop against a real SMTP server: sent mail, recorded outcomes, retries."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Project
from messages.models import Attempt, Message, Recipient
from messages.states import OnUncertain, Status, StatusReason
from providers.models import Provider
from tests.provider_rows import settings_of
from tests.smtp_server import Cut, Script, SmtpServer
from tracking.models import Event

Send = Callable[..., Message]
Deliver = Callable[..., None]


def test_an_accepted_message_is_delivered_with_one_attempt(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    message = send(text="Hello.")
    deliver()
    message.refresh_from_db()
    attempt = Attempt.objects.get()
    assert (message.status, attempt.outcome, attempt.code, attempt.phase) == (
        Status.DELIVERED,
        "delivered",
        250,
        "done",
    )
    assert message.sent_at is not None
    assert message.delivered_at is not None
    assert inbox.mails[0].addresses == ["one@rcpt.test"]
    assert b"Hello." in inbox.mails[0].content


def test_each_recipient_gets_an_envelope_of_its_own(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    send(to=["one@rcpt.test", "two@rcpt.test", "three@rcpt.test"])
    deliver()
    assert sorted(mail.addresses for mail in inbox.mails) == [["one@rcpt.test"], ["three@rcpt.test"], ["two@rcpt.test"]]


def test_a_relay_that_took_the_message_leaves_it_sent(db: None, send: Send, deliver: Deliver) -> None:
    with SmtpServer() as relay:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{relay.port}?tls=never")
        )
        message = send()
        deliver()
    message.refresh_from_db()
    assert message.status == Status.SENT
    assert message.delivered_at is None
    assert Recipient.objects.get().next_attempt_at is None


def test_three_of_five_refused_is_three_bounced_and_two_delivered(db: None, send: Send, deliver: Deliver) -> None:
    refusals = ["550 5.1.1 no such user", None, "550 5.1.1 no such user", None, "550 5.1.1 no such user"]
    with SmtpServer(Script(replies={"RCPT": refusals})) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        message = send(to=[f"u{number}@rcpt.test" for number in range(5)])
        deliver()
    statuses = sorted(Recipient.objects.values_list("status", flat=True))
    message.refresh_from_db()
    assert statuses == ["bounced"] * 3 + ["delivered"] * 2
    assert message.status == Status.BOUNCED


def test_a_deferral_waits_and_is_shown_as_delivering(db: None, send: Send, deliver: Deliver) -> None:
    with SmtpServer(Script(replies={"RCPT": ["451 4.7.1 greylisted"]})) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        message = send()
        deliver()
        recipient = Recipient.objects.get()
        message.refresh_from_db()
        assert (message.status, recipient.status_reason) == (Status.DELIVERING, StatusReason.DEFERRED)
        assert recipient.last_reply == "greylisted"
        assert recipient.next_attempt_at is not None
        wait = recipient.next_attempt_at - timezone.now()
        assert timedelta(seconds=40) < wait < timedelta(seconds=80)
        deliver(is_later=True)
    message.refresh_from_db()
    assert message.status == Status.DELIVERED
    assert list(Attempt.objects.order_by("number").values_list("number", "outcome")) == [
        (1, "deferred"),
        (2, "delivered"),
    ]


def test_a_refused_connection_leaves_the_message_queued(
    db: None, send: Send, deliver: Deliver, closed_port: int
) -> None:
    Provider.objects.create(name="gone", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{closed_port}?tls=never"))
    message = send()
    deliver()
    message.refresh_from_db()
    recipient = Recipient.objects.get()
    assert message.status == Status.QUEUED
    assert recipient.next_attempt_at > timezone.now() + timedelta(seconds=30)
    assert recipient.lease_token is None


@pytest.mark.parametrize(("policy", "is_due_again"), [(OnUncertain.RETRY, True), (OnUncertain.HOLD, False)])
def test_a_cut_after_the_dot_is_uncertain(
    db: None, send: Send, deliver: Deliver, policy: OnUncertain, is_due_again: bool
) -> None:
    with SmtpServer(Script(replies={".": [Cut()]})) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        message = send(on_uncertain=policy)
        deliver()
    message.refresh_from_db()
    recipient = Recipient.objects.get()
    assert (message.status, message.status_reason) == (Status.DELIVERING, StatusReason.UNCERTAIN)
    assert Attempt.objects.get().outcome == "uncertain"
    assert (recipient.next_attempt_at is not None) is is_due_again


def test_rejected_credentials_pause_the_provider_and_bounce_no_recipient(
    db: None, send: Send, deliver: Deliver
) -> None:
    with SmtpServer(Script(offers=("AUTH PLAIN",), users={"me": "right"})) as server:
        url = f"smtp://me:wrong@127.0.0.1:{server.port}?tls=never"
        provider = Provider.objects.create(name="relay", kind="smtp", settings=settings_of(url))
        message = send()
        deliver()
    message.refresh_from_db()
    provider.refresh_from_db()
    assert message.status == Status.QUEUED
    assert provider.paused_until is not None
    assert "535" in provider.pause_reason or provider.pause_reason


def test_without_a_provider_mail_waits_and_says_why(api, send: Send, deliver: Deliver) -> None:
    message = send()
    deliver()
    assert Attempt.objects.count() == 0
    shown = api.get(f"/emails/{message.pk}").json()
    assert (shown["status"], shown["status_reason"]) == ("queued", "no_provider")


def test_a_test_key_never_reaches_a_provider(inbox: SmtpServer, project: Project, make_api, deliver: Deliver) -> None:
    api = make_api(is_test=True)
    sent = api.post("/emails", {"to": "bounced@simulator.test", "from_": "a@x.test", "subject": "s", "text": "t"})
    deliver()
    shown = api.get(f"/emails/{sent.json()['id']}").json()
    assert (shown["status"], shown["test"], shown["attempts"][0]["provider"]) == ("bounced", True, "simulator")
    assert inbox.mails == []


def test_events_tell_each_new_state_once(db: None, send: Send, deliver: Deliver) -> None:
    with SmtpServer(Script(replies={"RCPT": ["451 later", "451 later"]})) as server:
        Provider.objects.create(name="mx", kind="inbox", settings=settings_of(f"inbox://127.0.0.1:{server.port}"))
        send()
        for _ in range(3):
            deliver(is_later=True)
    types = list(Event.objects.order_by("id").values_list("type", flat=True))
    assert types == ["email.queued", "email.delivering", "email.delivered"]


def test_every_try_sends_the_same_bytes(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    send(html="<p>Grüße</p>", text="Grüße")
    deliver()
    Recipient.objects.update(status=Status.QUEUED, next_attempt_at=timezone.now() - timedelta(days=1))
    deliver()
    assert len(inbox.mails) == 2
    assert inbox.mails[0].content == inbox.mails[1].content
