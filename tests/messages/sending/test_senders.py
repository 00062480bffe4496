"""The second check of a sender, when the turn of its mail comes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import Project
from accounts.services import create_project
from common.addresses import parse_address
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.services import SenderNotVerifiedError, remove_domain
from messages import services
from messages.accepting.draft import Draft
from messages.models import Attempt, Message, Recipient
from messages.sending import senders
from messages.sending.claims import ClaimScope, claim_recipients
from messages.sending.expiry import expire_due
from messages.sending.schedule import release_due
from messages.sending.senders import ClosedSenders, drop_refused_senders, settle_waiting_senders
from messages.sending.worker_state import close_worker_state
from messages.states import Lane, Status, StatusReason
from messages.tasks import tick
from providers.models import Provider
from providers.routing.selection import build_provider_ref, routes
from providers.services import remove_provider
from tests.conftest import ApiClient
from tests.locked_rows import locked_elsewhere
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer
from tracking.models import Event

pytestmark = pytest.mark.django_db
Send = Callable[..., Message]
Deliver = Callable[..., None]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
SHOP = parse_address("shop@good.test")


@pytest.fixture(autouse=True)
def _nobody_is_trusted(settings: Any, _fresh_process: None) -> None:
    settings.TRUSTED_SENDER_DOMAINS = []


def add_domain(project: Project, name: str = "good.test", status: DomainStatus = DomainStatus.VERIFIED) -> Domain:
    now = timezone.now()
    return Domain.objects.create(project=project, name=name, status=status, verified_at=now, next_check_at=now)


@pytest.fixture
def domain(project: Project) -> Domain:
    return add_domain(project)


@pytest.fixture
def relay(db: None) -> Any:
    """A relay that all projects share, so that no project is local only."""
    with SmtpServer() as server:
        Provider.objects.create(
            name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}?tls=never")
        )
        yield server


def change_status(domain: Domain, status: DomainStatus) -> None:
    Domain.objects.filter(pk=domain.pk).update(status=status)


def read(message: Message) -> tuple[str, str]:
    message.refresh_from_db()
    return message.status, message.status_reason


def explain(api: ApiClient, message: Message) -> tuple[str, str | None]:
    told = api.get(f"/emails/{message.pk}/explain").json()
    return told["why"], told["next"]


def test_mail_of_a_verified_domain_goes_out(relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver) -> None:
    message = send(from_=SHOP)
    assert (message.sender_basis, Recipient.objects.get().sender_id) == ("verified", domain.pk)
    change_status(domain, DomainStatus.WARNING)
    deliver()
    assert read(message) == ("sent", "")


def test_mail_of_a_deleted_domain_fails_and_says_why(
    relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver, api: ApiClient
) -> None:
    message = send(from_=SHOP)
    remove_domain(domain)
    deliver()
    assert (read(message), relay.mails) == (("failed", "sender_not_verified"), [])
    assert Attempt.objects.count() == 0
    why, following = explain(api, message)
    assert "good.test" in why
    assert "deleted" in why
    assert following is None
    answer = api.get(f"/emails/{message.pk}").json()
    assert (answer["status"], answer["status_reason"]) == ("failed", "sender_not_verified")
    assert answer["recipients"][0]["last_reply"].endswith("the domain was deleted from the project.")
    event = Event.objects.get(type="email.failed")
    assert event.data == {"reason": "sender_not_verified"}


def test_mail_of_a_suspended_domain_waits_says_so_and_goes_out_when_it_is_verified_again(
    relay: SmtpServer,
    domain: Domain,
    send: Send,
    deliver: Deliver,
    api: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(senders, "CLOSED_SECONDS", 0.0)
    message = send(from_=SHOP)
    change_status(domain, DomainStatus.SUSPENDED)
    deliver()
    assert (read(message), relay.mails) == (("queued", "sender_suspended"), [])
    assert (Recipient.objects.get().next_attempt_at, Attempt.objects.count()) == (None, 0)
    why, following = explain(api, message)
    assert "good.test is suspended" in why
    assert "verified again" in str(following)
    assert api.get(f"/emails/{message.pk}").json()["status_reason"] == "sender_suspended"
    tick()
    assert read(message) == ("queued", "sender_suspended")
    change_status(domain, DomainStatus.VERIFIED)
    tick()
    assert read(message) == ("queued", "")
    deliver()
    assert (read(message), len(relay.mails)) == (("sent", ""), 1)


def test_waiting_mail_ends_by_expiry_or_with_its_domain(
    relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver
) -> None:
    late, orphan = send(from_=SHOP), send(from_=SHOP)
    change_status(domain, DomainStatus.SUSPENDED)
    deliver()
    Recipient.objects.filter(message=late).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_due() == 1
    remove_domain(domain)
    assert settle_waiting_senders() == 1
    assert read(late) == ("failed", "expired")
    assert read(orphan) == ("failed", "sender_not_verified")
    assert settle_waiting_senders() == 0


def test_mail_of_a_domain_that_another_project_has_taken_over_fails(
    relay: SmtpServer, domain: Domain, other_project: Project, send: Send, deliver: Deliver
) -> None:
    message = send(from_=SHOP)
    add_domain(other_project)
    change_status(domain, DomainStatus.SUSPENDED)
    deliver()
    assert read(message) == ("failed", "sender_not_verified")
    assert "another project has verified it" in Recipient.objects.get().last_reply


def test_scheduled_mail_and_retries_are_checked_too(
    relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver
) -> None:
    planned = send(from_=SHOP, scheduled_at=timezone.now() + timedelta(hours=1))
    retried = send(from_=SHOP)
    Recipient.objects.filter(message=retried).update(status=Status.DELIVERING, status_reason=StatusReason.DEFERRED)
    Message.objects.filter(pk=planned.pk).update(scheduled_at=timezone.now() - timedelta(seconds=1))
    assert release_due() == 1
    change_status(domain, DomainStatus.SUSPENDED)
    deliver()
    assert read(planned) == ("queued", "sender_suspended")
    assert read(retried) == ("delivering", "sender_suspended")
    assert relay.mails == []


def test_a_project_that_was_local_only_for_a_moment_sends_nothing_by_the_shared_relay(
    relay: SmtpServer, project: Project, send: Send, deliver: Deliver, api: ApiClient
) -> None:
    with SmtpServer() as inbox:
        own = Provider.objects.create(
            project=project,
            name="own",
            kind="inbox",
            settings=settings_of(f"inbox://127.0.0.1:{inbox.port}"),
            is_operated=True,
        )
        routes.forget()
        message = send(from_=parse_address("boss@bank.test"))
        assert message.sender_basis == "local_only"
        remove_provider(own)
        deliver()
        assert (relay.mails, inbox.mails) == ([], [])
    assert read(message) == ("failed", "sender_not_verified")
    assert "could reach only the local inbox" in explain(api, message)[0]


def test_local_only_mail_goes_to_the_inbox_and_by_no_provider_that_is_not_local(
    inbox: SmtpServer, project: Project, send: Send, deliver: Deliver
) -> None:
    message = send(from_=parse_address("boss@bank.test"))
    deliver()
    assert (read(message)[0], len(inbox.mails)) == ("delivered", 1)
    send(from_=parse_address("boss@bank.test"))
    (claim,) = claim_recipients(Lane.NORMAL, 10, ANY)
    local, relay = (routes.choose(project.pk, is_simulated=is_simulated) for is_simulated in (True, False))
    assert local is not None
    assert relay is not None
    assert senders.may_leave_by(claim, local.provider)
    assert senders.may_leave_by(claim, relay.provider), "the inbox"
    away = Provider(name="away", kind="smtp", updated_at=timezone.now())
    assert not senders.may_leave_by(claim, build_provider_ref(away))


def test_mail_of_test_keys_is_exempt(relay: SmtpServer, domain: Domain, project: Project, deliver: Deliver) -> None:
    draft = Draft(from_=SHOP, to=[parse_address("one@rcpt.test")], subject="Hi", text="Hello.")
    (message,) = services.accept(Delegate(project=project, is_test=True), [draft])
    remove_domain(domain)
    deliver()
    assert (read(message)[0], relay.mails) == ("delivered", [])


def test_trust_that_was_withdrawn_no_longer_admits(
    relay: SmtpServer, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["good.test"]
    kept, lost = send(from_=SHOP), send(from_=SHOP)
    assert kept.sender_basis == "trusted"
    Recipient.objects.filter(message=lost).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    deliver()
    settings.TRUSTED_SENDER_DOMAINS = ["other.test"]
    deliver(is_later=True)
    assert (read(kept)[0], read(lost)) == ("sent", ("failed", "sender_not_verified"))


def test_a_sender_that_is_verified_by_now_goes_out_whatever_admitted_it(
    relay: SmtpServer, domain: Domain, project: Project, send: Send, deliver: Deliver
) -> None:
    message = send(from_=SHOP)
    Message.objects.update(sender_basis="local_only")
    Recipient.objects.update(sender_id=project.pk)
    deliver()
    assert read(message)[0] == "sent"


def test_others_mail_goes_out_past_that_of_a_refused_sender(
    relay: SmtpServer, domain: Domain, other_project: Project, send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.SMTP_CONVERSATIONS = 2
    held = [send(from_=SHOP, to=[f"u{number}@rcpt.test" for number in range(5)]) for _ in range(6)]
    add_domain(other_project, "other.test")
    draft = Draft(from_=parse_address("a@other.test"), to=[parse_address("b@x.test")], subject="Hi", text="Hello.")
    services.accept(Delegate(project=other_project), [draft])
    change_status(domain, DomainStatus.SUSPENDED)
    deliver()
    assert [mail.addresses for mail in relay.mails] == [["b@x.test"]]
    assert {read(message) for message in held} == {("queued", "sender_suspended")}
    assert Recipient.objects.filter(next_attempt_at__isnull=False).count() == 0


def test_verified_senders_cost_no_query_beyond_the_claim(
    relay: SmtpServer, domain: Domain, send: Send, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        send(from_=SHOP)
    claims = claim_recipients(Lane.NORMAL, 10, ANY)
    with django_assert_num_queries(0):
        assert len(drop_refused_senders(claims, ClosedSenders())) == 3


def test_a_sender_is_refused_anew_at_the_next_try(relay: SmtpServer, project: Project, send: Send) -> None:
    with pytest.raises(SenderNotVerifiedError):
        send(from_=SHOP)


def test_the_index_of_waiting_mail_holds_nothing_else(relay: SmtpServer, domain: Domain, send: Send) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'recipient_sender_waits'")
        assert "WHERE (status_reason = 'sender_suspended'::text)" in cursor.fetchone()[0]


def test_projects_do_not_meet(relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver) -> None:
    """Another project's domain of the same name admits nothing, and its deletion ends nothing."""
    rival = add_domain(create_project(name="Rival"))
    message = send(from_=SHOP)
    remove_domain(rival)
    deliver()
    assert read(message)[0] == "sent"


@pytest.mark.django_db(transaction=True)
def test_a_locked_message_of_a_refused_sender_does_not_hold_up_others(
    relay: SmtpServer, domain: Domain, send: Send, deliver: Deliver, settings: Any
) -> None:
    held = send(from_=SHOP)
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    good = send(from_=parse_address("shop@mine.test"))
    remove_domain(domain)
    with locked_elsewhere(held):
        deliver()
        assert read(good)[0] == "sent"
    assert Recipient.objects.get(message=held).lease_token is None
    close_worker_state()
    deliver()
    assert read(held) == ("failed", "sender_not_verified")
