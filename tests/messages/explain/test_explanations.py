"""`GET /emails/{id}/explain`: the sentences of each situation."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db.models.functions import Now
from django.utils import timezone

from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers
from delivery.judging.terms import About, Reason
from ledger.timer import TICK_KEY
from messages import services
from messages.deciding.settling import Settlement, settle
from messages.explain.status_codes import find_meaning
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import receive_feedback
from messages.models import Message, Recipient
from messages.sending import loop
from messages.sending.claims import ClaimScope, claim_recipients, claim_suspect, mark_dot_sent, mark_started
from messages.sending.expiry import expire_due
from messages.sending.lost_leases import MAX_CRASHES, sweep_lost_leases
from messages.states import Lane, OnUncertain, Status
from providers.models import Provider, ProviderKind
from providers.routing import health as health_module
from providers.routing import selection as choice_module
from providers.routing.selection import ProviderRef
from providers.services import pause_provider
from tests.conftest import ApiClient
from tests.provider_rows import settings_of
from tests.smtp_server import Cut, Script, SmtpServer
from tracking.events import Fact, record_facts
from tracking.models import EventType, Suppression
from tracking.suppressions.service import Entry, suppress

Send = Callable[..., Message]
Deliver = Callable[..., None]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.fixture(autouse=True)
def _a_worker_runs() -> Iterator[None]:
    cache.set(TICK_KEY, timezone.now().timestamp())
    yield
    cache.delete(TICK_KEY)


@pytest.fixture
def explain(api: ApiClient) -> Callable[..., dict[str, Any]]:
    """The explanation as the API gives it; times in its texts are replaced by `…`."""

    def ask(message: Message) -> dict[str, Any]:
        answer = api.get(f"/emails/{message.pk}/explain")
        assert answer.status_code == 200, answer.content
        body = answer.json()
        assert body["status"] == Message.objects.get(pk=message.pk).status
        for told in (body, *body["recipients"]):
            assert all(told[name] is None or told[name] for name in ("why", "next"))
            told["why"] = re.sub(TIME, "…", told["why"])
            told["next"] = told["next"] and re.sub(TIME, "…", told["next"])
        return body

    return ask


@pytest.fixture
def relay(db: None) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        add_relay("relay", server.port)
        yield server


@pytest.fixture
def circuits(monkeypatch: pytest.MonkeyPatch) -> CircuitBreakers:
    """Circuits of this test alone that open at the first failure."""
    made = CircuitBreakers(BreakerPolicy(failures=1, first_wait=timedelta(seconds=60)))
    for module in (choice_module, loop, health_module):
        monkeypatch.setattr(module, "provider_breakers", made)
    monkeypatch.setattr(health_module, "_exchange", type("Still", (), {"run": lambda _: None})())
    return made


def add_relay(name: str, port: int, priority: int = 0, **values: Any) -> Provider:
    url = values.pop("url", f"smtp://127.0.0.1:{port}?tls=never")
    return Provider.objects.create(name=name, kind="smtp", settings=settings_of(url), priority=priority, **values)


def say(message: Message, kind: FeedbackKind, **values: Any) -> None:
    recipient = message.recipients.get()
    receive_feedback(Feedback(key=str(uuid4()), kind=kind, source="report", recipient_id=recipient.pk, **values))


def begin(provider: Provider, *, is_sent: bool = False) -> None:
    """A worker claims what is due, begins to send it, and is at it."""
    claims = claim_recipients(Lane.NORMAL, 10, ANY)
    mark_started(claims, [ProviderRef(provider.pk, provider.name, ProviderKind(provider.kind)) for _ in claims])
    if is_sent:
        mark_dot_sent(claims)


def lose_worker() -> None:
    # By the database's clock, which stands still within the test's transaction.
    Recipient.objects.filter(lease_token__isnull=False).update(lease_until=Now() - timedelta(seconds=1))
    sweep_lost_leases()


def names(told: dict[str, Any]) -> list[str]:
    return [action["name"] for action in told["actions"]]


def test_queued_now(relay: SmtpServer, send: Send, explain: Any) -> None:
    told = explain(send())
    assert told["why"] == "It is in the queue, and a worker will send it at any moment."
    assert (told["next"], told["next_at"], told["advice"], told["actions"]) == ("It is sent.", None, [], [])
    assert re.fullmatch(rf"It was accepted on {TIME}\.", told["decisions"][0])


def test_queued_while_no_worker_runs(relay: SmtpServer, send: Send, explain: Any) -> None:
    cache.set(TICK_KEY, timezone.now().timestamp() - 300)
    told = explain(send())
    assert told["why"] == "No worker has been running for 5 minutes: the mail is kept, and nothing is sent."
    assert told["advice"] == ["Tell the operator of this service that no worker is running."]


def test_queued_where_no_worker_was_ever_seen(relay: SmtpServer, send: Send, explain: Any) -> None:
    cache.delete(TICK_KEY)
    message = send()
    assert explain(message)["why"] == "It is in the queue, and a worker will send it at any moment."
    Recipient.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=3))
    told = explain(message)
    assert told["why"] == "It is due, but no worker has been seen yet: the mail is kept."
    assert "Redis" in told["advice"][0]


def test_queued_behind_others_at_a_limit(db: None, send: Send, explain: Any) -> None:
    add_relay("slow", 25, rate_limit=2, connection_limit=1)
    message = send()
    Recipient.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=3))
    told = explain(message)
    assert told["why"] == (
        "It has been due for 3 minutes and waits for its turn. "
        '"slow" is limited to 2 messages a second and 1 connection.'
    )


def test_a_retry_waits_after_a_deferral(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["452 4.2.2 Over quota"])
    message = send()
    deliver()
    told = explain(message)
    (recipient,) = told["recipients"]
    assert told["why"] == (
        'The recipient\'s server (127.0.0.1) deferred it on …: the mailbox is full. Reply: 452 4.2.2 "Over quota".'
    )
    assert told["next"] == "The service retries it. If it is not accepted by …, it fails."
    assert told["next_at"] is not None
    assert told["advice"] == ["Nothing: the service retries by itself."]
    assert recipient["said"] | {"at": None} == {
        "at": None,
        "by": "the recipient's server (127.0.0.1)",
        "code": 452,
        "enhanced_code": "4.2.2",
        "reply": "Over quota",
        "meaning": "the mailbox is full",
        "reason": "mailbox_full",
        "about": "recipient",
    }


def test_a_retry_waits_after_nobody_answered(db: None, send: Send, deliver: Deliver, explain: Any) -> None:
    with SmtpServer() as gone:
        add_relay("relay", gone.port)
    message = send()
    deliver()
    deliver(is_later=True)
    told = explain(message)
    assert told["why"].startswith('The attempt with the relay "relay" (127.0.0.1')
    assert "got no reply: " in told["why"]
    assert told["why"].endswith("That was attempt 2.")
    assert told["status"] == "queued"
    assert told["advice"] == ['The service retries by itself. If this continues, check whether "relay" can be reached.']


def test_scheduled(relay: SmtpServer, send: Send, explain: Any) -> None:
    at = timezone.now() + timedelta(hours=2)
    told = explain(send(scheduled_at=at, priority=Lane.CRITICAL))
    assert (told["why"], told["next"]) == ("It waits for its scheduled time.", "It is queued and sent.")
    assert told["next_at"] == at.isoformat().replace("+00:00", "Z")
    assert names(told) == ["cancel", "reschedule"]
    assert "It uses the lane critical, which workers serve first." in told["decisions"]


@pytest.mark.parametrize(
    ("is_sent", "why"),
    [
        (False, 'A worker is sending it to the relay "relay", since ….'),
        (True, 'A worker has sent it to the relay "relay" and waits for the reply, which may take ten minutes.'),
    ],
)
def test_a_worker_is_at_it(relay: SmtpServer, send: Send, explain: Any, is_sent: bool, why: str) -> None:
    message = send()
    begin(Provider.objects.get(), is_sent=is_sent)
    told = explain(message)
    assert told["why"] == why
    assert told["next"] == "The reply is recorded. If the worker crashes, another one continues within a minute."


def test_the_worker_that_had_it_is_gone(relay: SmtpServer, send: Send, explain: Any) -> None:
    message = send()
    begin(Provider.objects.get())
    Recipient.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    told = explain(message)
    assert told["why"] == "The worker that was sending it has not responded since …."


def test_sent_and_the_relay_tells_no_more(
    relay: SmtpServer, send: Send, deliver: Deliver, explain: Any, settings: Any
) -> None:
    message = send()
    deliver()
    told = explain(message)
    assert re.fullmatch(
        r'The relay "relay" \(127\.0\.0\.1\) accepted it on …\. Reply: 250 .*'
        r"It is unknown whether it reached the mailbox\.",
        told["why"],
    )
    assert told["next"] == "No further feedback is expected: bounces of this sender do not reach this service."
    assert "REPORT_DOMAIN" in told["advice"][0]
    assert message.message_id in told["advice"][1]
    assert names(told) == ["resend"]
    settings.REPORT_DOMAIN = "reports.mine.test"
    assert explain(message)["next"].startswith("A bounce or a confirmation of the delivery will be shown here")


def test_deferred_at_the_relay(relay: SmtpServer, send: Send, deliver: Deliver, explain: Any) -> None:
    message = send()
    deliver()
    say(
        message,
        FeedbackKind.DELAYED,
        enhanced_code="4.4.1",
        reply="connection timed out",
        data={"reporting_mta": "mx.isp.test"},
    )
    told = explain(message)
    assert told["status"] == "delivering"
    assert told["why"] == (
        'The relay "relay" (127.0.0.1) accepted it on …. A report from mx.isp.test stated on … that it could not '
        'deliver it yet. The recipient\'s server does not answer. Reply: 4.4.1 "connection timed out".'
    )
    assert (told["next"], told["next_at"]) == (
        "The provider retries by itself and reports the result; this service makes no further attempt.",
        None,
    )


def test_delivered_to_the_recipients_server(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox()
    message = send()
    deliver()
    told = explain(message)
    assert re.fullmatch(r"The recipient's server \(127\.0\.0\.1\) accepted it on …\. Reply: 250 .*", told["why"])
    assert (told["next"], told["next_at"]) == (None, None)
    assert told["advice"] == [
        "If the recipient does not see it, ask them to look into the spam folder, and search for its Message-ID, "
        f"{message.message_id}."
    ]


def test_delivered_as_a_report_says(relay: SmtpServer, send: Send, deliver: Deliver, explain: Any) -> None:
    message = send()
    deliver()
    say(message, FeedbackKind.DELIVERED, enhanced_code="2.1.5", data={"reporting_mta": "mx.isp.test"})
    told = explain(message)
    assert told["why"] == (
        'The relay "relay" (127.0.0.1) accepted it on …. A report from mx.isp.test confirmed on … that it was '
        "delivered. Reply: 2.1.5."
    )


def test_a_complaint_after_delivery(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox()
    message = send()
    deliver()
    say(message, FeedbackKind.COMPLAINED)
    told = explain(message)
    assert told["why"].endswith("The recipient reported it as spam on …: no more mail is sent to the address.")
    assert told["advice"] == ["Leave it on the list, unless the recipient asks for your mail again."]


def test_a_simulated_complaint_has_no_consequence(send: Send, deliver: Deliver, explain: Any) -> None:
    message = send(to=["delivered@simulator.test"])
    deliver()
    say(message, FeedbackKind.COMPLAINED)
    told = explain(message)
    assert told["why"].endswith("The recipient reported it as spam on ….")
    assert not Suppression.objects.exists()


def test_opens_and_clicks_by_people(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox()
    message = send(track_opens=True, track_clicks=True, html="<p>Hi")
    deliver()
    row = message.recipients.get()
    for type_, actor in (("OPENED", "human"), ("OPENED", "proxy"), ("OPENED", "scanner"), ("CLICKED", "human")):
        fact = Fact(
            project_id=message.project_id,
            message_id=message.pk,
            recipient_id=row.pk,
            type=EventType[f"{type_}_SETTLED"],
            data={"actor": actor},
        )
        record_facts([fact])
    told = explain(message)
    assert told["why"].endswith("A person opened it 2 times, last on …. A person followed a link in it once on ….")
    assert told["advice"] == []


def test_bounced_hard(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["550 5.1.1 No such user here"])
    message = send()
    deliver()
    told = explain(message)
    assert told["why"] == (
        "The recipient's server (127.0.0.1) rejected it permanently on …: there is no such mailbox. "
        'Reply: 550 5.1.1 "No such user here". The refusal is about the recipient. '
        "The address has been on the suppression list since then: no more mail is sent to it."
    )
    assert told["advice"] == [
        "Check the address for a typing error, or ask the recipient for another one.",
        "If the address is correct and works again, remove it from the suppression list: until then a resend does not "
        "reach it.",
    ]
    assert (told["next"], told["next_at"], names(told)) == (None, None, ["resend"])
    (recipient,) = told["recipients"]
    assert (recipient["reason"], recipient["about"], recipient["suppressed"]) == ("no_such_user", "recipient", True)


def test_words_outweigh_the_code_in_the_explanation_too(
    make_inbox: Any, send: Send, deliver: Deliver, explain: Any
) -> None:
    make_inbox(RCPT=["550 5.1.1 Client host [192.0.2.7] blocked using list.test"])
    message = send()
    deliver()
    told = explain(message)
    assert "does not accept mail from our IP address" in told["why"]
    assert (
        "The refusal is about our sending identity (IP address, domain, authentication or reputation)." in told["why"]
    )
    (recipient,) = told["recipients"]
    assert (recipient["reason"], recipient["about"], recipient["suppressed"]) == ("blocked", "identity", False)


def test_a_disabled_mailbox_is_told_with_its_rule(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["550 5.2.1 The account is disabled"])
    message = send()
    deliver()
    told = explain(message)
    assert told["why"].endswith(
        "A mailbox that is only disabled is suppressed at bounce 3, if it bounces for 7 days without a delivery in "
        "between."
    )


def test_bounced_by_policy(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["550 5.7.26 Unauthenticated mail is not accepted"])
    message = send()
    deliver()
    told = explain(message)
    assert "neither SPF nor DKIM passed" in told["why"]
    assert told["why"].endswith("The address is not on the suppression list: other mail still goes to it.")
    assert "SPF, DKIM and DMARC" in told["advice"][0]


def test_bounced_late_after_delivery(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox()
    message = send()
    deliver()
    say(message, FeedbackKind.BOUNCED, code=550, enhanced_code="5.2.1", reply="account disabled", should_suppress=True)
    told = explain(message)
    assert told["why"] == (
        "It was delivered on …. It bounced later, as a report by mail stated on …: the mailbox is disabled. "
        'Reply: 550 5.2.1 "account disabled". The address has been on the suppression list since then: no more mail '
        "is sent to it."
    )


@pytest.mark.parametrize(
    ("reason", "because", "advice"),
    [
        ("bounce", 'because mail to it bounced ("5.1.1 gone")', "remove it from the suppression list"),
        ("complaint", 'because its owner reported our mail as spam ("5.1.1 gone")', "Leave it on the list"),
    ],
)
def test_failed_since_all_are_suppressed(
    relay: SmtpServer, send: Send, explain: Any, api_key: Any, reason: str, because: str, advice: str
) -> None:
    suppress(api_key.project_id, Entry(address="one@rcpt.test", reason=reason, note="5.1.1 gone"))
    message = send()
    told = explain(message)
    assert told["status"] == "failed"
    assert (
        told["why"]
        == f"The address has been on the project's suppression list since …, {because}: nothing was sent to it."
    )
    assert advice in told["advice"][0]
    Suppression.objects.all().delete()
    assert explain(message)["why"].endswith("It is not on the list any more.")


def test_failed_as_its_time_ran_out(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["451 4.3.2 not now"])
    message = send(expires_at=timezone.now() + timedelta(hours=1))
    deliver()
    Recipient.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_due()
    told = explain(message)
    assert told["why"].startswith(
        "It was not accepted by … (its expires_at), so it failed after 1 attempt. Last attempt: The "
    )
    assert told["advice"] == ["Resend it if it is still useful."]


def test_failed_at_the_providers(relay: SmtpServer, send: Send, deliver: Deliver, explain: Any) -> None:
    relay.script.replies["."] = "554 5.6.0 Content refused"  # type: ignore[index]
    message = send()
    deliver()
    told = explain(message)
    assert told["why"] == (
        'The relay "relay" (127.0.0.1) rejected it, for a reason that does not concern the recipient, on …: the '
        "receiving server does not accept this content. "
        'Reply: 554 5.6.0 "Content refused". The address is not suppressed.'
    )


def test_failed_since_it_kills_workers(relay: SmtpServer, send: Send, explain: Any) -> None:
    message = send()
    Recipient.objects.update(crash_count=1)
    for _ in range(MAX_CRASHES - 1):
        mark_started(claim_suspect(Lane.NORMAL, ANY), [ProviderRef(None, "relay", ProviderKind.SMTP)])
        lose_worker()
    told = explain(message)
    assert told["why"] == "5 workers in a row crashed while sending it, so it failed. Other mail is not affected."
    assert told["advice"][0].startswith("Tell the operator of this service")


def test_uncertain_and_sent_again(db: None, send: Send, deliver: Deliver, explain: Any) -> None:
    with SmtpServer(Script(replies={".": [Cut()]})) as server:
        add_relay("relay", server.port)
        message = send()
        deliver()
    told = explain(message)
    assert told["why"] == (
        'It was sent to the relay "relay" (127.0.0.1), but no reply had arrived by …: After the final dot: the '
        "other side closed the connection. So it is unknown whether it was accepted."
    )
    assert told["next"] == (
        "It is sent again, unless feedback confirms its arrival before. If it did arrive the first time, the "
        "recipient gets it twice."
    )
    assert told["next_at"] is not None
    assert names(told) == ["resend", "settle_sent", "settle_retry", "settle_failed"]


def test_uncertain_and_held(relay: SmtpServer, send: Send, explain: Any) -> None:
    message = send(on_uncertain=OnUncertain.HOLD)
    begin(Provider.objects.get(), is_sent=True)
    lose_worker()
    told = explain(message)
    assert told["why"].endswith("In this case it stays on hold (on_uncertain: hold).")
    assert "The worker was lost after the message was sent" in told["why"]
    assert (
        told["next"] == "It stays on hold until feedback arrives or a person settles it, and fails at its expiry time."
    )
    assert told["next_at"] is not None
    assert len(told["advice"]) == 2


@pytest.mark.parametrize(
    ("settlement", "why"),
    [
        (Settlement.SENT, "A person counted the uncertain attempt as sent."),
        (Settlement.FAILED, 'A person counted the uncertain attempt with the relay "relay" as failed.'),
        (Settlement.RETRY, "A person decided to retry the uncertain attempt."),
    ],
)
def test_settled_by_a_person(relay: SmtpServer, send: Send, explain: Any, settlement: Settlement, why: str) -> None:
    message = send(on_uncertain=OnUncertain.HOLD)
    begin(Provider.objects.get(), is_sent=True)
    lose_worker()
    settle(message, settlement)
    assert explain(message)["why"].startswith(why)


def test_cancelled(relay: SmtpServer, send: Send, explain: Any) -> None:
    message = send(scheduled_at=timezone.now() + timedelta(hours=2))
    services.cancel(message)
    told = explain(message)
    assert (
        told["why"]
        == "It was cancelled on …, before its scheduled time, …. Nothing was sent, and nothing will be sent."
    )
    assert names(told) == ["resend"]


def test_no_provider_at_all(db: None, send: Send, explain: Any) -> None:
    add_relay("off", 25, is_enabled=False)
    told = explain(send())
    assert told["why"] == ("The project has no enabled provider (off is disabled).")
    assert told["next"] == "It is sent as soon as there is an enabled provider."


def test_every_provider_is_paused_or_failing(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, explain: Any
) -> None:
    with SmtpServer() as gone, SmtpServer(Script(offers=("AUTH PLAIN",), users={"me": "right"})) as picky:
        add_relay("picky", picky.port, url=f"smtp://me:wrong@127.0.0.1:{picky.port}?tls=never")
        pause_provider(add_relay("resting", 25, priority=2).pk, reason="Moving house.", pause=None)
        message = send()
        deliver()
        failing = add_relay("failing", gone.port, priority=1)
        circuits.note_failure(f"provider:{failing.pk}", "connection refused")
    told = explain(message)
    assert 'All 3 providers are unavailable now: "picky" rejected this service and is paused until …' in told["why"]
    assert '"failing" has failed several times in a row and gets no mail until …: "connection refused"' in told["why"]
    assert told["why"].endswith('"resting" was paused by a person: "Moving house.".')
    assert told["next"] == "It is sent as soon as one of them is available."
    assert told["next_at"] is not None
    assert 'Correct the credentials of "picky", then resume it.' in told["advice"][0]


def test_it_went_to_another_provider(
    circuits: CircuitBreakers, db: None, send: Send, deliver: Deliver, explain: Any, closed_port: int
) -> None:
    with SmtpServer() as good:
        add_relay("a", closed_port)
        add_relay("b", good.port, priority=1)
        message = send()
        deliver()
    told = explain(message)
    first, second = told["recipients"][0]["decisions"]
    assert first == 'Attempt 1 used "a", the first by priority.'
    assert re.fullmatch(r'Attempt 2 used "b", the next provider, because "a" .*refused.*\.', second)
    assert told["why"].startswith('The relay "b" (127.0.0.1) accepted it on …')


def test_recipients_of_different_fates(make_inbox: Any, send: Send, deliver: Deliver, explain: Any) -> None:
    make_inbox(RCPT=["550 5.1.1 Unknown", None])
    message = send(to=["a@x.test", "b@x.test"])
    deliver()
    told = explain(message)
    assert re.match(r"Of 2 recipients: 1 bounced, 1 delivered\. For [ab]@x\.test: The ", told["why"])
    assert sorted(each["status"] for each in told["recipients"]) == ["bounced", "delivered"]
    assert names(told) == ["resend", "resend_failed"]


def test_a_test_key(make_api: Any, deliver: Deliver, api: ApiClient, project: Any) -> None:
    by = make_api(is_test=True)
    body = {"from_": "shop@mine.test", "to": "bounced@simulator.test", "subject": "Hi", "text": "Hello."}
    pk = by.post("/emails", body).json()["id"]
    deliver()
    told = api.get(f"/emails/{pk}/explain").json()
    assert told["test"] is True
    assert told["why"].startswith("The simulator rejected it permanently on ")
    assert told["why"].endswith("The mail was simulated, so the address is not suppressed.")
    assert (
        "It was sent with a test key: nothing leaves this service, and the simulator acts as the provider."
        in told["decisions"]
    )


def test_sent_again_says_of_what_it_is_the_resend(
    relay: SmtpServer, send: Send, deliver: Deliver, explain: Any, api_key: Any
) -> None:
    message = send()
    deliver()
    message.refresh_from_db()
    told = explain(services.resend(api_key, message))
    assert told["decisions"][1] == f"It is a resend of the email {message.pk}."


def test_actions_are_requests_that_work(relay: SmtpServer, send: Send, explain: Any, api: ApiClient) -> None:
    message = send(scheduled_at=timezone.now() + timedelta(hours=2))
    cancel = explain(message)["actions"][0]
    assert api.request(cancel["method"], cancel["path"], cancel["body"]).status_code == 200
    message.refresh_from_db()
    assert message.status == Status.CANCELLED


def test_another_projects_email_is_not_there(send: Send, other_api: ApiClient, make_api: Any) -> None:
    message = send()
    theirs, none = (other_api.get(f"/emails/{pk}/explain") for pk in (message.pk, uuid4()))
    assert theirs.status_code == none.status_code == 404
    assert {**theirs.json(), "request_id": ""} == {**none.json(), "request_id": ""}
    refused = make_api(scopes=["emails:send"]).get(f"/emails/{message.pk}/explain")
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_it_takes_no_parameters(send: Send, api: ApiClient) -> None:
    assert api.get(f"/emails/{send().pk}/explain?x=1").status_code == 422


def test_a_disabled_account_of_ours_is_not_called_a_mailbox() -> None:
    ours = find_meaning("5.7.0", 530, 'the relay "r"', Reason.DISABLED, about=About.PROVIDER)
    theirs = find_meaning("5.7.0", 530, 'the relay "r"', Reason.DISABLED, about=About.RECIPIENT)
    assert [meaning and meaning.words for meaning in (ours, theirs)] == [
        'the relay "r" has disabled the account of this service',
        "the mailbox is disabled",
    ]
