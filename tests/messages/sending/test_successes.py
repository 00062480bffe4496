"""The statement that records successes: the same rows as the other way, and only where it may decide by itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from delivery.envelope import Outcome, Reply, Stage
from ledger.sql import committed_together
from messages.models import Attempt, Message, Recipient
from messages.sending.claims import Claim, ClaimScope, claim_recipients
from messages.sending.outcomes import AttemptResult
from messages.sending.recording import lock_results, write_results
from messages.sending.successes.recording import is_success, plan_recording, send_plan
from messages.states import Lane, Status
from tests.smtp_server import SmtpServer
from tracking.models import Event
from webhooks.models import Endpoint, WebhookDelivery
from webhooks.publishing import listeners

pytestmark = pytest.mark.django_db
Send = Callable[..., Message]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
WORDS = 'ok "queued" \\ as {1}, NULL\n2.0.0 bye'
OWN = {
    Recipient: {"id", "message_id", "address", "expires_at"},
    Message: {"id", "created_at", "queued_at", "expires_at"},
    Attempt: {"id", "recipient_id", "lease_token"},
    Event: {"id", "message_id", "recipient_id", "address", "serial", "position"},
}


def make_result(claim: Claim, outcome: Outcome = Outcome.ACCEPTED) -> AttemptResult:
    reply = Reply(
        outcome=outcome, stage=Stage.DOT, code=250, enhanced_code="2.0.0", text=WORDS, remote_host="mx.x.test",
        tls="TLSv1.3", has_reached=True, remote_id='id-"1"',
    )  # fmt: skip
    return AttemptResult(claim=claim, reply=reply, provider_name="relay")


def record(results: list[AttemptResult]) -> set[Any]:
    plan = plan_recording(results)
    with committed_together():
        finish = send_plan(plan)
    return set(finish())


def record_otherwise(results: list[AttemptResult]) -> None:
    with transaction.atomic():
        locked = lock_results(results)
        write_results([(result, locked.ours[result.claim.recipient_id]) for result in results], ())


def read_rows(message: Message) -> dict[str, Any]:
    """What is stored about a message, without its own ids."""
    rows: dict[str, Any] = {}
    filters: dict[Any, dict[str, object]] = {
        Message: {"pk": message.pk},
        Recipient: {"message": message},
        Attempt: {"recipient__message": message},
        Event: {"message_id": message.pk},
    }
    for model, of_message in filters.items():
        found = list(model.objects.filter(**of_message).order_by("pk").values())
        assert found
        rows[model.__name__] = [{name: value for name, value in row.items() if name not in OWN[model]} for row in found]
    posts = WebhookDelivery.objects.filter(event_id__in=Event.objects.filter(message_id=message.pk).values("id"))
    rows["told"] = [json.loads(post.payload) | {"kind": post.type} for post in posts.order_by("id")]
    for told in rows["told"]:
        told["data"] = {name: value for name, value in told["data"].items() if name not in ("email_id", "recipient")}
    return rows


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.DELIVERED])
@pytest.mark.parametrize("is_told", [True, False])
def test_both_ways_write_the_same_rows(send: Send, monkeypatch: Any, outcome: Outcome, is_told: bool) -> None:
    one, other = send(to=["a@x.test"], tags=["t"]), send(to=["b@x.test"], tags=["t"])
    if is_told:
        Endpoint.objects.create(project_id=one.project_id, url="https://x.test/", secret="s", events=["*"])
    monkeypatch.setattr(listeners, "has_any", lambda projects: is_told)
    results = {claim.message_id: make_result(claim, outcome) for claim in claim_recipients(Lane.NORMAL, 10, ANY)}
    assert all(map(is_success, results.values()))
    assert record([results[one.pk]]) == {results[one.pk].claim.recipient_id}
    record_otherwise([results[other.pk]])
    found = read_rows(one)
    assert found == read_rows(other)
    assert found["Recipient"][0]["last_reply"] == found["Attempt"][0]["reply"] == WORDS
    assert len(found["told"]) == is_told


def test_a_lost_lease_is_left(send: Send) -> None:
    send()
    (claim,) = claim_recipients(Lane.NORMAL, 10, ANY)
    Recipient.objects.update(lease_token=None, lease_until=None)
    assert record([make_result(claim)]) == set()
    assert Attempt.objects.get().phase == "claimed"
    assert not Event.objects.filter(type="email.sent").exists()


def test_a_message_with_others_is_left_to_be_rolled_up(send: Send) -> None:
    send(to=["a@x.test", "b@x.test"])
    claims = claim_recipients(Lane.NORMAL, 10, ANY)
    assert record([make_result(claim) for claim in claims]) == set()


def test_what_feedback_has_moved_is_left(send: Send) -> None:
    send()
    (claim,) = claim_recipients(Lane.NORMAL, 10, ANY)
    Recipient.objects.update(status=Status.BOUNCED, next_attempt_at=None)
    assert record([make_result(claim)]) == set()


def test_all_recipients_of_one_message_end_in_one_run(inbox: SmtpServer, send: Send, deliver: Any) -> None:
    several, alone = send(to=["a@x.test", "b@x.test"]), send()
    deliver()
    assert {Message.objects.get(pk=one.pk).status for one in (several, alone)} == {Status.DELIVERED}
    assert timezone.now() > Message.objects.get(pk=several.pk).delivered_at  # type: ignore[operator]
