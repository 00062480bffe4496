"""The ledger: leases, recovery from a lost worker, and rows that become due by time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from delivery.envelope import Outcome, Reply, Stage
from messages import services
from messages.deciding.settling import NotUncertainError, Settlement, settle
from messages.models import Attempt, Message, Recipient
from messages.sending.claims import (
    AHEAD_TIME,
    Claim,
    ClaimScope,
    claim_recipients,
    claim_suspect,
    mark_dot_sent,
    mark_started,
    release_claims,
    send_dots,
    send_started,
)
from messages.sending.expiry import expire_due
from messages.sending.lost_leases import MAX_CRASHES, sweep_lost_leases
from messages.sending.outcomes import AttemptResult
from messages.sending.recording import lock_results, write_results
from messages.sending.schedule import release_due
from messages.services import NotCancellableError
from messages.states import Lane, OnUncertain, Status, StatusReason
from providers.routing.selection import SIMULATOR
from tests.smtp_server import SmtpServer
from tracking.models import Event

pytestmark = pytest.mark.django_db
Send = Callable[..., Message]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
TAKEN = Reply(outcome=Outcome.DELIVERED, stage=Stage.DOT, code=250, text="ok", has_reached=True)


def take(lane: Lane = Lane.NORMAL) -> list[Claim]:
    return claim_recipients(lane, 100, ANY)


def lose_leases() -> None:
    """As if the worker had died a minute ago."""
    Recipient.objects.filter(lease_token__isnull=False).update(lease_until=timezone.now() - timedelta(seconds=1))


def record_results(results: list[AttemptResult]) -> set[UUID]:
    """The recipients whose results were recorded."""
    with transaction.atomic():
        locked = lock_results(results)
        write_results(
            [(each, locked.ours[pk]) for each in results if (pk := each.claim.recipient_id) in locked.ours], ()
        )
    return set(locked.ours)


def result(taken: Claim, reply: Reply = TAKEN) -> AttemptResult:
    return AttemptResult(claim=taken, reply=reply, provider_name="p")


def test_a_claimed_row_is_not_claimed_again(send: Send) -> None:
    send(to=["a@x.test", "b@x.test"])
    assert len(take()) == 2
    assert take() == []


def test_a_claim_takes_all_due_recipients_of_its_messages(send: Send) -> None:
    send(to=["a@x.test", "b@x.test", "c@x.test"])
    assert len(claim_recipients(Lane.NORMAL, 1, ANY)) == 3


def test_lanes_are_queues_of_their_own(send: Send) -> None:
    send(priority=Lane.BULK)
    assert take(Lane.CRITICAL) == take(Lane.NORMAL) == []
    assert len(take(Lane.BULK)) == 1


def test_a_project_whose_provider_is_full_is_not_claimed(send: Send) -> None:
    message = send()
    closed = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[message.project_id])
    assert claim_recipients(Lane.NORMAL, 10, closed) == []
    assert (
        claim_recipients(Lane.NORMAL, 10, ClaimScope(is_shared_open=False, open_projects=[], closed_projects=[])) == []
    )
    assert len(claim_recipients(Lane.NORMAL, 10, ANY)) == 1


def test_released_claims_leave_no_trace(send: Send) -> None:
    send()
    release_claims(take())
    assert Attempt.objects.count() == 0
    assert take()[0].number == 1


def test_a_worker_that_lost_its_lease_cannot_write(send: Send) -> None:
    message = send()
    (old,) = take()
    lose_leases()
    sweep_lost_leases()
    (new,) = take()
    assert record_results([result(old)]) == set()
    message.refresh_from_db()
    assert message.status == Status.QUEUED
    assert record_results([result(new)]) == {new.recipient_id}
    message.refresh_from_db()
    assert message.status == Status.DELIVERED


def test_the_dot_is_granted_with_the_start_if_time_is_left(send: Send) -> None:
    for address in ("asks@x.test", "ahead@x.test", "short@x.test"):
        send(to=[address])
    Recipient.objects.filter(address="short@x.test").update(expires_at=timezone.now() + AHEAD_TIME / 2)
    claims = sorted(take(), key=lambda claim: claim.address)
    ahead, asks, _short = claims
    rows = dict(send_started(claims, [SIMULATOR] * 3, [claim for claim in claims if claim is not asks])())
    assert [rows[claim.recipient_id] for claim in claims] == [True, False, False]
    assert mark_dot_sent([ahead]) == set(), "it has its mark"
    assert send_dots([ahead], [ahead])() == [(ahead.recipient_id,)], "and gets it again when it asks"
    lose_leases()
    assert send_dots([ahead], [ahead])() == []


def test_a_worker_without_its_lease_gets_no_dot_with_the_start(send: Send) -> None:
    send()
    taken = take()
    lose_leases()
    assert send_started(taken, [SIMULATOR], taken)() == []
    assert Attempt.objects.get().phase == "claimed"


def test_a_worker_that_lost_its_lease_may_not_send_the_dot(send: Send) -> None:
    send()
    (old,) = take()
    mark_started([old], [SIMULATOR])
    lose_leases()
    assert mark_dot_sent([old]) == set()


def test_the_dot_is_marked_once(send: Send) -> None:
    send()
    (taken,) = take()
    mark_started([taken], [SIMULATOR])
    assert mark_dot_sent([taken]) == {taken.recipient_id}
    assert mark_dot_sent([taken]) == set()


def test_a_lease_lost_before_work_began_is_as_if_never_claimed(send: Send) -> None:
    send()
    take()
    lose_leases()
    assert sweep_lost_leases() == 1
    recipient = Recipient.objects.get()
    assert (recipient.attempt_count, recipient.crash_count, recipient.lease_token) == (0, 0, None)
    assert Attempt.objects.count() == 0


def test_who_held_mail_when_the_database_went_away_may_still_say_what_became_of_it(send: Send, settings: Any) -> None:
    send()
    take()
    lose_leases()
    Attempt.objects.update(claimed_at=timezone.now() - timedelta(days=1000))
    settings.LEASE_TIME = timedelta(days=1000)
    assert sweep_lost_leases() == 0
    settings.LEASE_TIME = timedelta(0)
    assert sweep_lost_leases() == 1


def test_a_lease_lost_before_the_dot_makes_it_due_again(send: Send) -> None:
    send()
    taken = take()
    mark_started(taken, [SIMULATOR])
    lose_leases()
    sweep_lost_leases()
    recipient = Recipient.objects.get()
    assert (recipient.status, recipient.crash_count) == (Status.QUEUED, 1)
    assert recipient.next_attempt_at <= timezone.now()
    assert Attempt.objects.get().outcome == "deferred"


@pytest.mark.parametrize(("policy", "is_due_again"), [(OnUncertain.RETRY, True), (OnUncertain.HOLD, False)])
def test_a_lease_lost_after_the_dot_is_uncertain(send: Send, policy: OnUncertain, is_due_again: bool) -> None:
    message = send(on_uncertain=policy)
    taken = take()
    mark_started(taken, [SIMULATOR])
    mark_dot_sent(taken)
    lose_leases()
    sweep_lost_leases()
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.DELIVERING, StatusReason.UNCERTAIN)
    assert (Recipient.objects.get().next_attempt_at is not None) is is_due_again
    assert Attempt.objects.get().outcome == "uncertain"


def test_what_the_lost_worker_knew_settles_its_uncertain_attempt(send: Send) -> None:
    message = send(on_uncertain=OnUncertain.HOLD)
    (taken,) = take()
    mark_started([taken], [SIMULATOR])
    mark_dot_sent([taken])
    lose_leases()
    sweep_lost_leases()
    assert record_results([result(taken)]) == {taken.recipient_id}
    message.refresh_from_db()
    assert message.status == Status.DELIVERED


def test_a_recipient_that_took_its_worker_down_is_claimed_alone_and_parked_in_the_end(send: Send) -> None:
    send(to=["good@x.test"])
    poison = send(to=["poison@x.test"])
    Recipient.objects.filter(message=poison).update(crash_count=1)
    assert [taken.address for taken in take()] == ["good@x.test"]
    for _ in range(MAX_CRASHES - 1):
        (taken,) = claim_suspect(Lane.NORMAL, ANY)
        mark_started([taken], [SIMULATOR])
        lose_leases()
        sweep_lost_leases()
    poison.refresh_from_db()
    assert (poison.status, poison.status_reason) == (Status.FAILED, StatusReason.WORKER_CRASH)
    assert claim_suspect(Lane.NORMAL, ANY) == []


def test_a_recorded_answer_ends_the_row_of_crashes(send: Send) -> None:
    send()
    Recipient.objects.update(crash_count=3)
    (taken,) = claim_suspect(Lane.NORMAL, ANY)
    mark_started([taken], [SIMULATOR])
    record_results([result(taken, Reply(outcome=Outcome.DEFERRED, stage=Stage.RCPT, code=451, text="later"))])
    assert Recipient.objects.get().crash_count == 0


def test_scheduled_mail_is_released_at_its_time_and_not_before(send: Send) -> None:
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    assert release_due() == 0
    assert take() == []
    Message.objects.update(scheduled_at=timezone.now() - timedelta(seconds=1))
    assert release_due() == 1
    assert release_due() == 0
    message.refresh_from_db()
    assert message.status == Status.QUEUED
    assert message.queued_at is not None
    assert len(take()) == 1
    assert list(Event.objects.order_by("id").values_list("type", flat=True)) == ["email.scheduled", "email.queued"]


def test_a_cancelled_message_is_never_released(send: Send) -> None:
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    services.cancel(message)
    Message.objects.update(scheduled_at=timezone.now() - timedelta(seconds=1))
    assert release_due() == 0
    assert message.status == Status.CANCELLED
    with pytest.raises(NotCancellableError, match="cancelled"):
        services.cancel(message)


def test_cancel_refuses_a_message_on_its_way(send: Send) -> None:
    with pytest.raises(NotCancellableError, match="queued"):
        services.cancel(send())


def test_mail_past_its_time_fails_as_expired(send: Send) -> None:
    message = send()
    Recipient.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_due() == 1
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.FAILED, StatusReason.EXPIRED)
    assert take() == []


def test_mail_in_a_workers_hands_does_not_expire(send: Send) -> None:
    send()
    take()
    Recipient.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_due() == 0


@pytest.mark.parametrize(
    ("settlement", "status", "is_due"),
    [
        (Settlement.SENT, Status.SENT, False),
        (Settlement.FAILED, Status.FAILED, False),
        (Settlement.RETRY, Status.DELIVERING, True),
    ],
)
def test_a_person_settles_a_held_attempt(send: Send, settlement: Settlement, status: Status, is_due: bool) -> None:
    message = send(on_uncertain=OnUncertain.HOLD)
    taken = take()
    mark_started(taken, [SIMULATOR])
    mark_dot_sent(taken)
    lose_leases()
    sweep_lost_leases()
    settle(message, settlement)
    recipient = Recipient.objects.get()
    assert (message.status, recipient.next_attempt_at is not None) == (status, is_due)


def test_a_certain_outcome_cannot_be_settled(send: Send) -> None:
    with pytest.raises(NotUncertainError):
        settle(send(), Settlement.SENT)


def test_states_only_move_forward(send: Send) -> None:
    send()
    record_results([result(taken) for taken in take()])
    assert Recipient.objects.all().move_to(Status.QUEUED) == []
    assert Recipient.objects.get().status == Status.DELIVERED


def test_a_bounce_may_follow_a_delivery(send: Send) -> None:
    message = send()
    record_results([result(taken) for taken in take()])
    Recipient.objects.all().move_to(Status.BOUNCED, StatusReason.REFUSED)
    message.refresh_from_db()
    assert message.status == Status.BOUNCED
    assert message.delivered_at is not None


def test_a_failed_compose_fails_its_recipient_alone(
    inbox: SmtpServer, send: Send, deliver: Callable[..., None]
) -> None:
    good, bad = send(), send()
    Message.objects.filter(pk=bad.pk).update(headers=[["X-Bad", "a\r\nBcc: b@x.test"]])
    deliver()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == (Status.DELIVERED, Status.FAILED)
