"""Mail whose conversation takes long is shown as `delivering` while it lasts."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from django.db import connection

from ledger import leases
from messages.models import Message, Recipient
from messages.sending import in_flight
from messages.sending.claims import ClaimScope, claim_recipients, mark_started
from messages.sending.in_flight import SLOW_SECONDS, InFlight
from messages.sending.progress import Work
from messages.sending.worker_state import SendQueueKey
from messages.states import Lane, Status
from providers.routing.selection import SIMULATOR
from providers.services import sync_shared_provider
from tests.locked_rows import locked_elsewhere
from tests.smtp_server import Act, Script, SmtpServer
from tracking.models import Event

Send = Callable[..., Message]
Deliver = Callable[..., None]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])


def begin_work(seconds: float | None = None) -> list[Work]:
    """Started work on all due recipients, whose conversations have lasted for `seconds`; None: no greeting yet."""
    claims = claim_recipients(Lane.NORMAL, 10, ANY)
    mark_started(claims, [SIMULATOR] * len(claims))
    found = [Work(claim=claim, queue_key=SendQueueKey(SIMULATOR), tried={}, begun_at=0.0) for claim in claims]
    for work in found if seconds is not None else ():
        work.clock.begun_at = monotonic() - float(seconds or 0)
    return found


def watch(work: list[Work]) -> InFlight:
    return InFlight({one.claim.recipient_id: one for one in work})


def read_statuses() -> set[str]:
    return set(Recipient.objects.values_list("status", flat=True))


def test_a_slow_conversation_is_shown_once_and_keeps_its_lease(inbox: SmtpServer, send: Send) -> None:
    message = send(to=["a@x.test", "b@x.test"])
    watched = watch(begin_work(SLOW_SECONDS))
    watched.show()
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.DELIVERING, "")
    assert Recipient.objects.filter(lease_token__isnull=False, status="delivering").count() == 2
    events = Event.objects.filter(type="email.delivering")
    assert [event.data for event in events] == [{"attempt": 1, "provider": "simulator"}] * 2
    assert {event.recipient.address for event in events} == {"a@x.test", "b@x.test"}
    watched.show()
    assert events.count() == 2


def test_a_short_conversation_and_one_without_a_greeting_stay_queued(inbox: SmtpServer, send: Send) -> None:
    send(to=["a@x.test"])
    short = begin_work(SLOW_SECONDS - 1)
    send(to=["b@x.test"])
    watch([*short, *begin_work(None)]).show()
    assert read_statuses() == {"queued"}
    assert not Event.objects.filter(type="email.delivering").exists()


def test_looking_costs_no_query_as_long_as_nothing_is_slow(
    inbox: SmtpServer, send: Send, django_assert_num_queries: Any
) -> None:
    send()
    watched = watch(begin_work(0))
    with django_assert_num_queries(0):
        watched.show()


def test_work_that_was_recorded_meanwhile_is_left_alone(inbox: SmtpServer, send: Send) -> None:
    send()
    work = begin_work(SLOW_SECONDS)
    Recipient.objects.update(status=Status.SENT, lease_token=None, lease_until=None, next_attempt_at=None)
    watch(work).show()
    assert read_statuses() == {"sent"}


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_is_looked_at_again_and_others_are_shown(inbox: SmtpServer, send: Send) -> None:
    held, free = send(to=["held@x.test"]), send(to=["free@x.test"])
    watched = watch(begin_work(SLOW_SECONDS))
    with locked_elsewhere(held):
        watched.show()
        assert [Message.objects.get(pk=one.pk).status for one in (held, free)] == ["queued", "delivering"]
    watched.show()
    assert read_statuses() == {"delivering"}


class Patient(SmtpServer):
    """Answers the verb `at` when the mail is shown as in flight, or after some looks."""

    def __init__(self, at: str, **replies: Act) -> None:
        super().__init__(Script(replies=replies))
        self.at = at
        self.statuses: set[str] = set()

    def choose(self, verb: str) -> Act:
        if verb == self.at:
            for _ in range(100):
                self.statuses |= read_statuses()
                if "delivering" in self.statuses or self.is_ending(0.005):
                    break
            connection.close()
        return super().choose(verb)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(in_flight, "SLOW_SECONDS", 0.02)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(("at", "is_shown"), [("CONNECT", False), ("EHLO", True), ("DATA", True), (".", True)], ids=str)
def test_it_is_shown_from_the_greeting_on(send: Send, deliver: Deliver, at: str, is_shown: bool) -> None:
    with Patient(at) as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        message = send()
        deliver()
    assert ("delivering" in server.statuses) is is_shown
    message.refresh_from_db()
    assert message.status == Status.DELIVERED
    types = list(Event.objects.order_by("id").values_list("type", flat=True))
    assert types == ["email.queued", *(["email.delivering"] if is_shown else []), "email.delivered"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_quick")
def test_a_deferral_after_it_was_shown_makes_no_second_event(send: Send, deliver: Deliver) -> None:
    with Patient("DATA", DATA="451 4.3.0 later") as server:
        sync_shared_provider(f"inbox://127.0.0.1:{server.port}")
        message = send()
        deliver()
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.DELIVERING, "deferred")
    assert Event.objects.filter(type="email.delivering").count() == 1
