"""Mail sent through an ESP's API: the message's page, and its recipients' states."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from messages.attachments import File
from messages.feedback.mail_ids import message_header
from messages.models import Attempt, Message, Recipient
from messages.sending.composing import compose_raw
from messages.states import OnUncertain
from providers.models import Provider, ProviderKind
from providers.routing.selection import routes
from providers.services import add_provider
from providers.targets import ProviderTarget
from tests.conftest import ApiClient
from tests.esp_cases import CASES
from tests.esp_server import EspServer, Reply
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

Send = Callable[..., Message]
Deliver = Callable[..., None]

RESEND = CASES["resend"]


def add(name: str, server: EspServer, esp: str = "resend", **values: int) -> Provider:
    case = CASES[esp]
    target = ProviderTarget(kind=ProviderKind.ESP, settings=case.url(server.url))
    return add_provider(None, name=name, target=target, is_operated=True, **values)


@pytest.fixture
def esp(db: None) -> Iterator[EspServer]:
    """An ESP that takes everything."""
    with EspServer(RESEND.taken) as server:
        add("esp", server)
        yield server


def test_mail_accepted_by_an_esp_is_sent_with_the_esps_id(
    esp: EspServer, send: Send, deliver: Deliver, api: ApiClient
) -> None:
    message = send(to=["one@rcpt.test"], html="<p>Hi")
    deliver()
    shown = api.get(f"/emails/{message.pk}").json()
    assert (shown["status"], shown["recipients"][0]["status"]) == ("sent", "sent")
    (attempt,) = shown["attempts"]
    assert (attempt["provider"], attempt["outcome"], attempt["code"], attempt["remote_host"]) == (
        "esp",
        "accepted",
        200,
        "127.0.0.1",
    )
    assert Attempt.objects.get().remote_id == RESEND.remote_id
    assert Recipient.objects.get().next_attempt_at is None


def test_a_messages_recipients_go_in_one_call(esp: EspServer, send: Send, deliver: Deliver) -> None:
    first = send(to=["one@rcpt.test", "two@rcpt.test"])
    second = send(to=["three@rcpt.test"])
    deliver()
    assert (
        sorted(RESEND.read_addresses(call) for call in esp.calls)
        == [
            ["one@rcpt.test", "two@rcpt.test"],
            ["three@rcpt.test"],
        ]
        or len(esp.calls) == 2
    )
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("sent", "sent")
    assert Attempt.objects.filter(outcome="accepted").count() == 3


def test_the_source_is_that_of_the_provider_before_and_after_it_is_sent(
    esp: EspServer, send: Send, deliver: Deliver
) -> None:
    message = send(to=["one@rcpt.test"])
    row = message.recipients.get()
    seen = compose_raw(message.pk, row)
    name, value = message_header(message.pk)
    # This one takes a message's recipients together, so that the header names the message.
    assert f"{name}: {value}".encode() in seen
    deliver()
    assert compose_raw(message.pk, row) == seen
    Provider.objects.all().delete()
    routes.forget()
    assert f"{name}: {value}".encode() not in compose_raw(message.pk, row)


def test_a_large_file_goes_in_one_call_where_all_get_the_same_and_in_own_calls_with_own_links(
    esp: EspServer, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.DELIVER_LIMIT_BYTES = 1000
    file = File(filename="a.bin", content_type="application/octet-stream", content=bytes(100_000))
    send(to=["one@rcpt.test", "two@rcpt.test"], attachments=[file])
    deliver()
    assert [RESEND.read_addresses(call) for call in esp.calls] == [["one@rcpt.test", "two@rcpt.test"]]
    link = '<a href="https://x.test/">x</a>'
    send(to=["three@rcpt.test", "four@rcpt.test"], attachments=[file], html=link, track_clicks=True)
    deliver()
    assert sorted(RESEND.read_addresses(call) for call in esp.calls[1:]) == [["four@rcpt.test"], ["three@rcpt.test"]]
    assert Attempt.objects.filter(outcome="accepted").count() == 4


def test_own_links_make_own_calls(esp: EspServer, send: Send, deliver: Deliver) -> None:
    send(to=["one@rcpt.test", "two@rcpt.test"], html='<a href="https://x.test/">x</a>', track_clicks=True)
    deliver()
    assert sorted(RESEND.read_addresses(call) for call in esp.calls) == [["one@rcpt.test"], ["two@rcpt.test"]]
    assert len({call.json["html"] for call in esp.calls}) == 2


@pytest.mark.parametrize("said", [Reply(is_cut=True), Reply(200, b"<html>")])
@pytest.mark.parametrize("policy", list(OnUncertain))
def test_a_lost_answer_is_uncertain_and_obeys_the_policy(
    db: None, send: Send, deliver: Deliver, said: Reply, policy: OnUncertain
) -> None:
    with EspServer(said, RESEND.taken) as server:
        add("esp", server)
        message = send(on_uncertain=policy)
        deliver()
        recipient = Recipient.objects.get()
        assert (recipient.status, recipient.status_reason) == ("delivering", "uncertain")
        deliver(is_later=True)
        message.refresh_from_db()
        is_retried = policy is OnUncertain.RETRY
        assert (len(server.calls), message.status) == ((2, "sent") if is_retried else (1, "delivering"))
        keys = {call.headers["idempotency-key"] for call in server.calls}
    assert len(keys) == 1


def test_rejected_credentials_pause_the_provider_and_bounce_no_recipient(
    db: None, send: Send, deliver: Deliver
) -> None:
    with EspServer(Reply(401, {"message": "API key is invalid"})) as server:
        provider = add("esp", server)
        message = send()
        deliver()
        assert len(server.calls) == 1
    provider.refresh_from_db()
    message.refresh_from_db()
    assert provider.paused_until is not None
    assert provider.paused_until > timezone.now()
    assert (provider.pause_reason, message.status) == ("API key is invalid", "queued")


def test_who_throttles_rests_and_the_mail_waits_as_told(db: None, send: Send, deliver: Deliver) -> None:
    with EspServer(Reply(429, {"message": "slow down"}, {"Retry-After": "90"})) as server:
        add("esp", server)
        send()
        deliver()
        send(to=["two@rcpt.test"])
        deliver()
        assert len(server.calls) == 1
    recipient = Recipient.objects.get(address="one@rcpt.test")
    assert (recipient.status, recipient.deferral_count) == ("queued", 0)
    assert recipient.next_attempt_at is not None
    assert timedelta(seconds=80) < recipient.next_attempt_at - timezone.now() <= timedelta(seconds=90)


@pytest.mark.parametrize("said", [Reply(500, b"oops"), Reply(503, b"oops"), Reply(401, {"message": "no"})])
def test_what_is_wrong_with_an_esp_sends_the_mail_by_the_next(
    db: None, send: Send, deliver: Deliver, said: Reply
) -> None:
    with EspServer(said) as bad, SmtpServer() as good:
        add("a", bad)
        Provider.objects.create(
            name="b", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{good.port}?tls=never"), priority=1
        )
        message = send()
        deliver()
        message.refresh_from_db()
        assert (message.status, len(good.mails)) == ("sent", 1)
    assert list(Attempt.objects.order_by("number").values_list("provider_name", "outcome")) == [
        ("a", "deferred"),
        ("b", "accepted"),
    ]


def test_one_recipients_refusal_is_his_alone(db: None, send: Send, deliver: Deliver) -> None:
    refusal = Reply(422, {"message": "Invalid `to` field: two@rcpt.test"})
    with EspServer(refusal, RESEND.taken) as server:
        add("esp", server)
        send(to=["one@rcpt.test", "two@rcpt.test", "three@rcpt.test"])
        deliver()
    assert dict(Recipient.objects.values_list("address", "status")) == {
        "one@rcpt.test": "sent",
        "two@rcpt.test": "bounced",
        "three@rcpt.test": "sent",
    }
