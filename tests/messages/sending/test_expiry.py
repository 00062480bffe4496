"""The end of a message's time: in the claim, before the final dot, and in the tick."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Signal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from messages.deciding.settling import NotUncertainError, Settlement, settle
from messages.models import Attempt, Message, Recipient
from messages.sending.claims import (
    ClaimScope,
    claim_recipients,
    mark_started,
    send_dots,
    send_started,
)
from messages.sending.expiry import EXPIRED_REPLY, expire_due, expire_leased
from messages.sending.lost_leases import sweep_lost_leases
from messages.sending.schedule import release_due
from messages.states import Lane, OnUncertain, Status, StatusReason
from messages.tasks import tick
from providers.routing.selection import SIMULATOR
from providers.services import sync_shared_provider
from tests.locked_rows import lock_row, locked_elsewhere, other_session
from tests.smtp_server import Act, SmtpServer
from tracking.models import Event

Send = Callable[..., Message]
Deliver = Callable[..., None]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
committed = pytest.mark.django_db(transaction=True)


def expire(*messages: Message) -> None:
    # For PostgreSQL the time is that at which the test's transaction began.
    Recipient.objects.filter(message__in=messages).update(expires_at=timezone.now() - timedelta(hours=1))


def read_states() -> dict[str, tuple[str, str]]:
    return {row.address: (row.status, row.status_reason) for row in Recipient.objects.all()}


def test_expired_mail_is_not_claimed_alone_or_beside_others_of_its_message(inbox: SmtpServer, send: Send) -> None:
    late, mixed = send(to=["late@x.test"]), send(to=["good@x.test", "bad@x.test"])
    expire(late)
    Recipient.objects.filter(address="bad@x.test").update(expires_at=timezone.now() - timedelta(seconds=1))
    taken = claim_recipients(Lane.NORMAL, 10, ANY)
    assert [(claim.address, claim.message_id) for claim in taken] == [("good@x.test", mixed.pk)]


@pytest.mark.parametrize("is_ahead", [False, True], ids=["asks first", "asks again"])
def test_mail_that_expires_in_a_workers_hands_gets_no_final_dot(inbox: SmtpServer, send: Send, is_ahead: bool) -> None:
    late, good = send(to=["late@x.test"]), send(to=["good@x.test"])
    claims = claim_recipients(Lane.NORMAL, 10, ANY)
    ahead = claims if is_ahead else []
    send_started(claims, [SIMULATOR] * 2, ahead)
    expire(late)
    good_ids = [(claim.recipient_id,) for claim in claims if claim.address == "good@x.test"]
    assert send_dots(claims, ahead)() == good_ids
    expire_leased(claims)
    assert read_states() == {"late@x.test": ("failed", "expired"), "good@x.test": ("queued", "")}
    attempt = Attempt.objects.get(recipient__message=late)
    assert (attempt.phase, attempt.outcome, attempt.reply) == ("done", "failed", EXPIRED_REPLY)
    assert Attempt.objects.get(recipient__message=good).phase == "dot_sent"
    event = Event.objects.get(type="email.failed")
    assert (event.message_id, event.data["reason"], event.data["attempt"]) == (late.pk, "expired", 1)
    late.refresh_from_db()
    assert (late.status, late.status_reason) == (Status.FAILED, StatusReason.EXPIRED)


class SlowServer(SmtpServer):
    """Its answer to DATA for mail to late@… takes until that mail has expired."""

    def choose(self, verb: str) -> Act:
        if verb == "DATA" and any("late@" in command for command in self.commands[-2:]):
            expire(*Message.objects.filter(recipients__address="late@x.test"))
            connection.close()
        return super().choose(verb)


@committed
def test_a_slow_server_does_not_get_mail_whose_time_is_over(send: Send, deliver: Deliver, settings: Any) -> None:
    settings.SMTP_CONVERSATIONS = 1
    with SlowServer() as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        send(to=["late@x.test"])
        send(to=["good@x.test"])
        deliver()
    assert read_states() == {"late@x.test": ("failed", "expired"), "good@x.test": ("delivered", "")}
    assert [mail.addresses for mail in server.mails] == [["good@x.test"]]


def test_workers_that_come_back_after_the_time_send_nothing(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    message = send()
    expire(message)
    deliver()
    assert inbox.mails == []
    tick()
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.FAILED, StatusReason.EXPIRED)
    assert Attempt.objects.count() == 0


def test_only_open_mail_expires(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    sent, waiting = send(), send(scheduled_at=timezone.now() + timedelta(hours=1))
    deliver()
    expire(sent, waiting)
    assert expire_due() == 0


@committed
@pytest.mark.parametrize("table", [Message, Recipient])
def test_a_row_that_somebody_holds_stops_neither_expiry_nor_mail(
    inbox: SmtpServer, send: Send, deliver: Deliver, table: type[Message] | type[Recipient]
) -> None:
    held, late, good = send(to=["held@x.test"]), send(to=["late@x.test"]), send(to=["good@x.test"])
    expire(held, late)
    row = held if table is Message else held.recipients.get()
    with locked_elsewhere(row):
        tick()
        deliver()
        assert read_states() == {
            "held@x.test": ("queued", ""),
            "late@x.test": ("failed", "expired"),
            "good@x.test": ("delivered", ""),
        }
    tick()
    assert read_states()["held@x.test"] == ("failed", "expired")
    good.refresh_from_db()
    assert good.status == Status.DELIVERED


@committed
@pytest.mark.parametrize("table", [Message, Recipient])
def test_a_row_that_somebody_holds_stops_neither_release_nor_sweep(
    inbox: SmtpServer, send: Send, table: type[Message] | type[Recipient]
) -> None:
    later = {"scheduled_at": timezone.now() + timedelta(hours=1)}
    planned = [send(to=[f"{name}@planned.test"], **later) for name in ("held", "free")]
    lost = [send(to=[f"{name}@lost.test"]) for name in ("held", "free")]
    mark_started(claims := claim_recipients(Lane.NORMAL, 10, ANY), [SIMULATOR] * len(claims))
    Message.objects.filter(pk__in=[message.pk for message in planned]).update(scheduled_at=timezone.now())
    Recipient.objects.filter(lease_token__isnull=False).update(lease_until=timezone.now() - timedelta(seconds=1))
    held = [message if table is Message else message.recipients.get() for message in (planned[0], lost[0])]
    with locked_elsewhere(*held):
        assert (release_due(), sweep_lost_leases()) == (1, 1)
    assert (release_due(), sweep_lost_leases()) == (1, 1)
    assert {state for state, _ in read_states().values()} == {"queued"}


class HoldingServer(SmtpServer):
    """Another session locks the message to held@… when its final dot comes, and lets go when the other is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = Signal()
        self.state_under_lock = ""

    def choose(self, verb: str) -> Act:
        if verb == "." and any("held@" in command for command in self.commands[-3:]):
            self._spawn(self.hold)
            self.is_held.wait(10)
        return super().choose(verb)

    def hold(self) -> None:
        try:
            with other_session() as session:
                lock_row(session, Message.objects.get(recipients__address="held@x.test"))
                self.is_held.set()
                while read_states()["good@x.test"] != ("delivered", "") and not self.is_ending(0.01):
                    pass
                self.state_under_lock = read_states()["held@x.test"][0]
        finally:
            connection.close()


@committed
def test_a_row_that_somebody_holds_does_not_keep_others_from_being_recorded(
    send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.SMTP_CONVERSATIONS = 1
    with HoldingServer() as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        send(to=["held@x.test"])
        send(to=["good@x.test"])
        deliver()
    assert server.state_under_lock == "queued"
    assert read_states() == {"held@x.test": ("delivered", ""), "good@x.test": ("delivered", "")}
    assert len(server.mails) == 2


@committed
def test_an_answer_that_comes_first_wins_against_expiry(send: Send) -> None:
    """Whoever holds the rows first decides, and the other one changes nothing: sent mail never becomes failed."""
    message = send(on_uncertain=OnUncertain.HOLD)
    Recipient.objects.update(status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN, next_attempt_at=None)
    expire(message)
    with other_session() as session:
        lock_row(session, message)
        session.execute("UPDATE mail_recipient SET status = 'sent', status_reason = 'settled'")
        assert expire_due() == 0
        session.commit()
    assert expire_due() == 0
    assert read_states() == {"one@rcpt.test": ("sent", "settled")}


def test_a_settlement_after_expiry_is_refused(inbox: SmtpServer, send: Send) -> None:
    message = send(on_uncertain=OnUncertain.HOLD)
    Recipient.objects.update(status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN, next_attempt_at=None)
    expire(message)
    assert expire_due() == 1
    with pytest.raises(NotUncertainError):
        settle(message, Settlement.SENT)
    assert read_states() == {"one@rcpt.test": ("failed", "expired")}
