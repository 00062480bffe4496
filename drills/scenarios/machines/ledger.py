"""The ledger in any order: three workers claim, start, send, record, stand still and die, beside people, feedback and
the clock.

Each operation is one of the product's own, with a transaction of its own; only time is moved by hand.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from accounts import scopes
from accounts.services import create_api_key, create_project
from common.addresses import parse_address
from delivery.envelope import Outcome, Reply, Stage
from delivery.judging.terms import About, Reason
from drills.scenarios.machines.counting import note_step
from drills.scenarios.machines.promises import list_broken, list_reachable
from ledger.clock import database_time
from messages import services
from messages.accepting.draft import Draft
from messages.deciding.settling import NotUncertainError, Settlement, settle
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import apply_due, receive_feedback
from messages.lifetimes.erasures import request_erasure, run_erasures
from messages.models import Message, Recipient
from messages.selectors import BodyPurgedError
from messages.sending.claims import Claim, ClaimScope, claim_recipients, mark_dot_sent, mark_started, release_claims
from messages.sending.expiry import expire_due
from messages.sending.lost_leases import sweep_lost_leases
from messages.sending.outcomes import AttemptResult, suppress_refused
from messages.sending.recording import lock_results, write_results
from messages.sending.schedule import release_due
from messages.services import NotCancellableError, NothingToResendError, NotResendableError
from messages.states import Lane, OnUncertain, Status
from providers.routing.selection import SIMULATOR

SENDER = parse_address("Shop <shop@drill.test>")
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
WORKERS = st.integers(0, 2)
NUMBERS = st.integers(0, 1_000)
OUTCOMES = [Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.FAILED, Outcome.UNCERTAIN]
ENDED = {Status.CANCELLED, Status.FAILED, Status.BOUNCED, Status.SUPPRESSED}
NO_SUCH_USER: Mapping[str, Any] = {
    "code": 550,
    "enhanced_code": "5.1.1",
    "reason": Reason.NO_SUCH_USER,
    "about": About.RECIPIENT,
    "is_for_good": True,
}
names = count()


class Worker:
    """The claims that a worker believes to have, by the step that it has reached with them."""

    def __init__(self) -> None:
        self.claimed: list[Claim] = []
        self.started: list[Claim] = []
        self.sent: list[Claim] = []

    @property
    def tokens(self) -> set[UUID]:
        return {claim.token for claim in (*self.claimed, *self.started, *self.sent)}

    def forget(self) -> None:
        self.claimed, self.started, self.sent = [], [], []


class LedgerMachine(RuleBasedStateMachine):
    """One project's mail. `seen` holds the last known state of each recipient: states only move forward."""

    def __init__(self) -> None:
        super().__init__()
        self.project = create_project(name=f"ledger {uuid4()}")
        self.key, _ = create_api_key(self.project, scopes=scopes.ALL)
        self.workers = [Worker(), Worker(), Worker()]
        self.messages: list[UUID] = []
        self.addresses: list[str] = []
        self.accepted = 0
        self.seen: dict[UUID, Status] = {}
        self.cancelled: set[UUID] = set()
        self.operations: dict[str, Callable[[], object]] = {
            "sweep": sweep_lost_leases,
            "expire": expire_due,
            "release": release_due,
            "feedback": apply_due,
            "erase": run_erasures,
        }

    @rule(size=st.integers(1, 3), is_scheduled=st.booleans(), on_uncertain=st.sampled_from(OnUncertain))
    def accept(self, size: int, is_scheduled: bool, on_uncertain: OnUncertain) -> None:
        addresses = [f"r{next(names)}@drill.test" for _ in range(size)]
        draft = Draft(
            from_=SENDER,
            subject="Your order",
            text="It is on its way.\n",
            to=[parse_address(text) for text in addresses],
            scheduled_at=database_time() + timedelta(hours=1) if is_scheduled else None,
            on_uncertain=on_uncertain,
        )
        [message] = services.accept(self.key, [draft])
        self.messages.append(message.pk)
        self.addresses += addresses
        self.accepted += size

    @rule(worker=WORKERS)
    def claim(self, worker: int) -> None:
        self.workers[worker].claimed += claim_recipients(Lane.NORMAL, 2, ANY)

    @rule(worker=WORKERS)
    def start(self, worker: int) -> None:
        own = self.workers[worker]
        ours = mark_started(own.claimed, [SIMULATOR] * len(own.claimed))
        own.started += [claim for claim in own.claimed if claim.recipient_id in ours]
        own.claimed = []

    @rule(worker=WORKERS)
    def ask_for_dot(self, worker: int) -> None:
        own = self.workers[worker]
        granted = mark_dot_sent(own.started)
        own.sent += [claim for claim in own.started if claim.recipient_id in granted]
        own.started = []
        for row in Recipient.objects.filter(pk__in=granted):
            assert row.lease_token in own.tokens, f"the dot was granted to a lease that {row.address} does not have"
            assert row.status not in ENDED, f"the dot was granted for {row.address}, which is {row.status}"
            assert row.message_id not in self.cancelled, f"{row.address} is sent after its cancel was granted"

    @rule(worker=WORKERS, outcome=st.sampled_from(OUTCOMES), is_unknown=st.booleans())
    def reply(self, worker: int, outcome: Outcome, is_unknown: bool) -> None:
        own = self.workers[worker]
        reply = Reply(
            outcome=outcome,
            stage=Stage.DOT,
            text="No such user here",
            has_reached=True,
            **(NO_SUCH_USER if is_unknown and outcome is Outcome.BOUNCED else {}),
        )
        record([AttemptResult(claim=claim, reply=reply, provider_name="machine") for claim in own.sent])
        own.sent = []

    @rule(worker=WORKERS)
    def give_back(self, worker: int) -> None:
        release_claims(self.workers[worker].claimed)
        self.workers[worker].claimed = []

    @rule(worker=WORKERS, is_dead=st.booleans())
    def lose_leases(self, worker: int, is_dead: bool) -> None:
        """The worker dies, or only stands still and goes on later with what it has lost."""
        own = self.workers[worker]
        past = Now() - timedelta(seconds=1)
        Recipient.objects.filter(lease_token__in=own.tokens).update(lease_until=past)
        if is_dead:
            own.forget()

    @rule(name=st.sampled_from(["sweep", "expire", "release", "feedback", "erase"]))
    def tick(self, name: str) -> None:
        self.operations[name]()

    @rule(
        first=st.sampled_from(["sweep", "expire", "release", "feedback", "erase"]),
        second=st.sampled_from(["sweep", "expire", "release", "feedback", "erase"]),
    )
    def tick_together(self, first: str, second: str) -> None:
        """Two workers do this at the same time; neither may fail, by a deadlock for example."""
        run_together([self.operations[first], self.operations[second]])

    @precondition(lambda self: self.messages)
    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        message = self.pick(number)
        try:
            services.cancel(message)
        except NotCancellableError:
            return
        self.cancelled.add(message.pk)

    @precondition(lambda self: self.messages)
    @rule(number=NUMBERS, settlement=st.sampled_from(Settlement))
    def settle(self, number: int, settlement: Settlement) -> None:
        try:
            settle(self.pick(number), settlement)
        except NotUncertainError:
            return

    @precondition(lambda self: self.messages)
    @rule(number=NUMBERS)
    def resend(self, number: int) -> None:
        try:
            new = services.resend(self.key, self.pick(number))
        except (NotResendableError, NothingToResendError, BodyPurgedError):
            return
        self.messages.append(new.pk)
        self.accepted += new.recipients.count()

    @precondition(lambda self: self.addresses)
    @rule(number=NUMBERS, kind=st.sampled_from(FeedbackKind), should_suppress=st.booleans())
    def receive(self, number: int, kind: FeedbackKind, should_suppress: bool) -> None:
        rows = list(Recipient.objects.filter(project=self.project, attempt_count__gt=0).order_by("pk"))
        if not rows:
            return
        feedback = Feedback(
            key=f"machine {uuid4()}",
            kind=kind,
            source="machine",
            recipient_id=rows[number % len(rows)].pk,
            should_suppress=should_suppress and kind is FeedbackKind.BOUNCED,
        )
        receive_feedback(feedback)

    @precondition(lambda self: self.messages)
    @rule(number=NUMBERS, column=st.sampled_from(["next_attempt_at", "expires_at"]))
    def let_time_pass(self, number: int, column: str) -> None:
        """The time of a message has come: that of its retry, its end, or its release."""
        message = self.pick(number)
        Recipient.objects.filter(message=message, **{f"{column}__isnull": False}).update(**{column: Now()})
        if message.status == Status.SCHEDULED and column == "next_attempt_at":
            Message.objects.filter(pk=message.pk).update(scheduled_at=Now())

    @precondition(lambda self: self.addresses)
    @rule(number=NUMBERS)
    def ask_for_erasure(self, number: int) -> None:
        request_erasure(self.project, self.addresses[number % len(self.addresses)], "machine")

    @invariant()
    def promises_hold(self) -> None:
        note_step("ledger")
        broken = list_broken(self.project.pk)
        assert not broken, broken
        rows = dict(Recipient.objects.filter(project=self.project).values_list("pk", "status"))
        assert len(rows) == self.accepted, f"{self.accepted} were accepted, {len(rows)} are there"
        for pk, status in rows.items():
            before = self.seen.get(pk, Status(status))
            assert status in list_reachable(before), f"{pk} went from {before} to {status}"
            self.seen[pk] = Status(status)

    def teardown(self) -> None:
        """Nothing of this run is left for the next one: workers die, and all open mail expires."""
        for worker in range(len(self.workers)):
            self.lose_leases(worker, is_dead=True)
        sweep_lost_leases()
        Recipient.objects.filter(project=self.project).update(expires_at=Now())
        expire_due()
        self.promises_hold()

    def pick(self, number: int) -> Message:
        return Message.objects.get(pk=self.messages[number % len(self.messages)])


def record(results: list[AttemptResult]) -> None:
    """As a worker records replies: those of leases that it has lost are dropped."""
    if not results:
        return
    by_recipient = {each.claim.recipient_id: each for each in results}
    with transaction.atomic():
        locked = lock_results(results)
        assert not locked.busy, "nobody else is at work here"
        ours = [(by_recipient[pk], leased) for pk, leased in locked.ours.items()]
        write_results(ours, suppress_refused(ours))


def run_together(operations: Iterable[Callable[[], object]]) -> None:
    """Run operations at the same time, each with a connection of its own; raises the first error."""

    def run(operation: Callable[[], object]) -> None:
        try:
            operation()
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(run, operation) for operation in operations]:
            done.result()
