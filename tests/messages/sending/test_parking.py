"""Blocks park mail, and whatever ends a block makes it due again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from messages.models import Attempt, Message, Recipient
from messages.queue_stats import read_queue
from messages.sending.claims import Claim, ClaimScope, claim_recipients
from messages.sending.expiry import expire_due
from messages.sending.queue.parking import Block, park_claims, park_waiting, sweep_parked, unpark
from messages.sending.queue.waiting import is_due
from messages.states import Lane, Status, StatusReason
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
Send = Callable[..., Message]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
PAUSE = Block(key="pause:1", reason=StatusReason.PAUSED)
CAP = Block(key="cap:1", reason=StatusReason.CAP)


def take() -> list[Claim]:
    return claim_recipients(Lane.NORMAL, 100, ANY)


def read(message: Message) -> tuple[str, str, str]:
    """Status and reason of a message, and the block of its first recipient."""
    message.refresh_from_db()
    return message.status, message.status_reason, message.recipients.order_by("position")[0].parked_by


def test_a_claim_is_undone_and_its_mail_parked(send: Send) -> None:
    message = send()
    park_claims(dict.fromkeys(take(), PAUSE))
    assert read(message) == ("queued", "paused", "pause:1")
    recipient = Recipient.objects.get()
    assert (recipient.lease_token, recipient.attempt_count, Attempt.objects.count()) == (None, 0, 0)
    assert recipient.next_attempt_at is not None
    assert take() == []
    assert not is_due(Lane.NORMAL)


def test_waiting_mail_is_parked_by_what_it_is(send: Send) -> None:
    news, other = send(stream="default", tags=["news"]), send()
    values = {"project": news.project_id, "tag": ["news"]}
    assert park_waiting(PAUSE, "r.project_id = %(project)s AND m.tags @> %(tag)s", values) == 1
    assert (read(news)[1], read(other)[1]) == ("paused", "")
    assert [claim.message_id for claim in take()] == [other.pk]


def test_leased_mail_is_not_parked(send: Send) -> None:
    message = send()
    (claim,) = take()
    assert park_waiting(PAUSE, "r.project_id = %(project)s", {"project": message.project_id}) == 0
    assert read(message)[2] == ""
    assert Recipient.objects.get().lease_token == claim.token


def test_unparked_mail_is_due_at_its_own_time(send: Send) -> None:
    now_due, later = send(), send()
    at = timezone.now() + timedelta(hours=1)
    later.recipients.update(next_attempt_at=at, deferral_count=1, status_reason=StatusReason.DEFERRED)
    park_waiting(PAUSE, "r.project_id = %(project)s", {"project": later.project_id})
    assert unpark("pause:1") == 2
    assert (read(now_due), read(later)) == (("queued", "", ""), ("queued", "deferred", ""))
    assert later.recipients.get().next_attempt_at == at
    assert [claim.message_id for claim in take()] == [now_due.pk]


def test_mail_of_another_block_stays_parked(send: Send) -> None:
    first, second = send(), send()
    blocks = {first.pk: PAUSE, second.pk: CAP}
    park_claims({claim: blocks[claim.message_id] for claim in take()})
    assert unpark("pause:1") == 1
    assert (read(first)[2], read(second)) == ("", ("queued", "cap", "cap:1"))


def test_the_sweep_unparks_the_mail_of_blocks_that_have_ended(send: Send) -> None:
    messages = [send() for _ in range(3)]
    keys = ["pause:1", "pause:2", "later:1"]
    blocks = dict(
        zip([m.pk for m in messages], [Block(key=key, reason=StatusReason.PAUSED) for key in keys], strict=True)
    )
    park_claims({claim: blocks[claim.message_id] for claim in take()})
    assert sweep_parked({"pause": lambda known: {"pause:2"} & set(known)}) == 1
    # Of a kind that this program does not know nothing is said.
    assert [read(message)[2] for message in messages] == ["", "pause:2", "later:1"]


def test_an_uncertain_outcome_stays_visible(send: Send) -> None:
    message = send()
    Recipient.objects.update(status=Status.DELIVERING, status_reason=StatusReason.UNCERTAIN)
    park_waiting(PAUSE, "r.project_id = %(project)s", {"project": message.project_id})
    recipient = Recipient.objects.get()
    assert (recipient.status_reason, recipient.parked_by) == ("uncertain", "pause:1")
    unpark("pause:1")
    assert Recipient.objects.get().status_reason == "uncertain"


def test_parked_mail_expires_and_is_not_sent_afterwards(send: Send) -> None:
    message = send()
    park_claims(dict.fromkeys(take(), PAUSE))
    Recipient.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_due() == 1
    assert read(message)[:2] == ("failed", "expired")
    assert unpark("pause:1") == 0
    assert (read(message)[0], take()) == ("failed", [])


def test_parked_mail_is_counted_as_on_hold(send: Send) -> None:
    send()
    park_claims(dict.fromkeys(take(), PAUSE))
    normal = next(lane for lane in read_queue().lanes if lane.lane == Lane.NORMAL)
    assert (normal.due, normal.on_hold) == (0, 1)


@pytest.mark.parametrize(("block", "words"), [(PAUSE, "It is paused"), (CAP, "has sent as much as it may")])
def test_the_explanation_tells_of_the_block(send: Send, api: ApiClient, block: Block, words: str) -> None:
    message = send()
    park_claims(dict.fromkeys(take(), block))
    told = api.get(f"/emails/{message.pk}/explain").json()
    assert words in told["why"]
    assert "It is sent when" in told["next"]
    assert read(message)[1] == block.reason
