"""What a drill is given: a clean service, a project with a key, a sink for its mail, and somebody to tell."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q

from accounts import scopes
from accounts.models import ApiKey, Project
from accounts.services import create_api_key, create_project
from common.addresses import parse_address
from drills.evidence import Accepted, Evidence, collect_recipients
from drills.judge import judge
from drills.load import Client, Load, Reply, build_email, read_accepted
from drills.report import NOT_PLAYED, Verdict
from drills.rules import Rule, as_usual
from drills.sink import Sink
from drills.stack import NotUpError, Stack, await_condition
from messages import services
from messages.drafts import Draft
from messages.models import Recipient
from messages.states import Status
from providers.models import Kind, Provider

T = TypeVar("T")
BATCH = 500
PATIENCE_SECONDS = 60.0
SENDER = parse_address("Shop <shop@drill.test>")


class Scene:
    """One drill on its way. What is not as promised is told by `expect` and judged at the end with all the rest."""

    def __init__(self, stack: Stack, name: str, closing: ExitStack, *, patience: float = PATIENCE_SECONDS) -> None:
        self.stack = stack
        self.name = name
        self.projects: list[Project] = []
        self.key, self.token = self.add_project(name)
        # Whatever takes mail and notes it: all of it is judged.
        self.sinks: list[Any] = []
        self._closing = closing
        self._patience = patience
        self.accepted: list[Accepted] = []
        self.details: dict[str, object] = {}
        self.problems: list[str] = []
        self.recovery_seconds = 0.0
        self._wanted: dict[str, int] | None = None
        self._may_wait = False

    def add_project(self, name: str) -> tuple[ApiKey, str]:
        """A project with a key, and the key's text. All its mail is judged."""
        self.projects.append(create_project(name=f"{name} {time.monotonic_ns()}"))
        return create_api_key(self.projects[-1], scopes=scopes.ALL)

    @property
    def sink(self) -> Sink:
        """The first project's way out."""
        sink: Sink = self.sinks[0]
        return sink

    def open_sink(self, rule: Rule = as_usual, *, receive_buffer: int = 0, project: Project | None = None) -> Sink:
        """A sink that is the way out of all projects, or of one."""
        sink = self.add_sink(rule, receive_buffer=receive_buffer)
        Provider.objects.create(project=project, name=f"sink-{len(self.sinks)}", kind=Kind.INBOX, url=sink.url)
        return sink

    def add_sink(self, rule: Rule = as_usual, **options: Any) -> Sink:
        """A sink that nobody knows of yet. Its mail is judged with the rest."""
        sink = self._closing.enter_context(Sink(self.journal(), rule, **options))
        self.sinks.append(sink)
        return sink

    def journal(self) -> Path:
        """A file for one more way out to note its mail in."""
        folder = self.stack.ground.data / "journals"
        folder.mkdir(exist_ok=True)
        return folder / f"{self.name}-{len(self.sinks)}-{time.monotonic_ns()}"

    def keep_open(self, thing: AbstractContextManager[T]) -> T:
        """Enter it, and leave it with the scene."""
        return self._closing.enter_context(thing)

    def client(self, token: str = "") -> Client:
        return Client(self.stack.ground.web_port, token or self.token)

    def load(
        self, rate: float, *, name: str = "load", clients: int = 4, is_persistent: bool = False, **values: object
    ) -> Load:
        """Emails at `rate` per second; `with` ends it, then `note_load` adds it to what was accepted."""
        return Load(
            [self.client() for _ in range(clients)],
            rate,
            lambda number: build_email(f"{name}-{number}@drill.test", **values),
            is_persistent=is_persistent,
        )

    def note_load(self, load: Load) -> None:
        """What was answered 202 is accepted."""
        self.accepted += load.accepted
        if load.refused:
            self.details["refused"] = dict(load.refused)

    def post(self, address: str, **values: object) -> Reply:
        """One email through the API; it must be accepted."""
        with self.client() as client:
            reply = client.post("/emails", build_email(address, **values))
        self.expect(
            reply.status == HTTPStatus.ACCEPTED, f"POST /emails for {address} answered {reply.status}: {reply.body}"
        )
        if reply.status == HTTPStatus.ACCEPTED:
            self.accepted += read_accepted(reply.body)
        return reply

    def post_batch(self, count: int, *, name: str = "batch", each: Sequence[Mapping[str, object]] = ()) -> list[UUID]:
        """That many emails in one request, each with values of its own; their ids, none if it was refused."""
        addresses = [f"{name}-{number}@drill.test" for number in range(count)]
        emails = [build_email(address, **own) for address, own in zip(addresses, each or [{}] * count, strict=True)]
        with self.client() as client:
            reply = client.post("/emails/batch", emails)
        self.expect(reply.status == HTTPStatus.ACCEPTED, f"POST /emails/batch answered {reply.status}: {reply.body}")
        ids = [UUID(item["id"]) for item in reply.body["data"]] if reply.status == HTTPStatus.ACCEPTED else []
        self.accepted += map(Accepted, ids, addresses)
        return ids

    def warm_up(self) -> None:
        """Until the worker that was started does its work."""
        self.fill(1, name="first")
        self.wait_for(lambda: self.find_time("first-0@drill.test"), "the worker to send its first mail")

    def find_time(self, address: str) -> float:
        """When the mail for an address was on the first sink's disk (monotonic seconds), 0 while it is not."""
        return next((mail.at for mail in self.sink.taken if mail.address == address), 0.0)

    def times(self) -> Mapping[str, float]:
        """When the first mail for each address was on a sink's disk (monotonic seconds)."""
        return {mail.address: mail.at for sink in self.sinks for mail in reversed(sink.taken)}

    def fill(
        self, count: int, *, name: str = "fill", domain: str = "drill.test", key: ApiKey | None = None, **values: Any
    ) -> None:
        """Emails without HTTP, for drills that are not about accepting. No worker is told but by the doorbell."""
        for begin in range(0, count, BATCH):
            numbers = range(begin, min(count, begin + BATCH))
            drafts = [
                Draft(
                    **{"from_": SENDER, "subject": "Your order", "text": "It is on its way.\n", **values},
                    to=[parse_address(f"{name}-{number}@{domain}")],
                )
                for number in numbers
            ]
            for message in services.accept(key or self.key, drafts):
                self.accepted += [Accepted(message.pk, row.address) for row in message.shown_recipients]

    def expect(self, is_true: object, words: str) -> None:
        """Note `words` as what was wrong, unless it is true."""
        if not is_true:
            self.problems.append(words)

    def wait_for(self, is_true: Callable[[], object], what: str, seconds: float = 0.0) -> None:
        """Go on when it holds. NotUpError after `seconds`, by default a minute: the drill has failed."""
        await_condition(is_true, what, seconds or self._patience)

    def wait_for_mail(self, count: int, seconds: float = 0.0) -> None:
        """Until `count` more mails than now are in the sink."""
        wanted = len(self.sink.taken) + count
        self.wait_for(lambda: len(self.sink.taken) >= wanted, f"{count} more mails in the sink", seconds)

    def wait_for_quiet(self, since: float, *, seconds: float = 0.0) -> None:
        """Until nothing is due, held or scheduled; `recovery_s` counts from `since`, the end of the fault."""
        try:
            self.wait_for(lambda: self.count_open() == 0, "everything accepted to end", seconds)
        except NotUpError:
            waited = time.monotonic() - since
            self.problems.append(f"not quiet {waited:.0f} s after the fault: {self.count_open()} are still open")
        self.recovery_seconds = time.monotonic() - since

    def count_open(self) -> int | None:
        """Recipients with work left on them; None while the database is away."""
        is_open = Q(next_attempt_at__isnull=False) | Q(lease_token__isnull=False) | Q(status=Status.SCHEDULED)
        return ask(lambda: Recipient.objects.filter(is_open, project__in=self.projects).count())

    def find_status(self, address: str) -> str | None:
        """Where the mail for an address stands."""
        rows = Recipient.objects.filter(project__in=self.projects, address=address)
        return ask(lambda: rows.values_list("status", flat=True).first())

    def limit_duplicates(self, bound: int) -> None:
        """What a crash can double at most: the conversations of the children that it took down."""
        copies = [(mail.message_id, mail.address) for sink in self.sinks for mail in sink.taken]
        doubled = len(copies) - len(set(copies))
        self.details["bound"] = bound
        self.expect(doubled <= bound, f"{doubled} duplicates, the kills allow {bound}")

    def expect_statuses(self, wanted: Mapping[Status, int]) -> None:
        """How many recipients are to end how, when that is not all of them `delivered`."""
        self._wanted = {str(status): count for status, count in wanted.items() if count}

    def skip(self, reason: str) -> None:
        """This machine cannot play the drill: told with its line, and neither proof nor failure."""
        self.details[NOT_PLAYED] = reason
        self.let_wait()

    def let_wait(self) -> None:
        """The drill is over before all its mail has gone; what still waits must do so honestly."""
        self._may_wait = True

    def verdict(self) -> Verdict:
        """What the judge says of all that is there, when nothing moves any more."""
        self.stack.kill_programs()
        connection.close()
        rows = collect_recipients([project.pk for project in self.projects])
        taken = [(mail.message_id, mail.address) for sink in self.sinks for mail in sink.taken]
        finding = judge(Evidence(accepted=self.accepted, recipients=rows, taken=taken))
        # A POST whose answer was lost may have been accepted as well: such mail is no less to be delivered.
        wanted = {str(Status.DELIVERED): len(rows)} if self._wanted is None else self._wanted
        if not self._may_wait and finding.statuses != wanted:
            self.problems.append(f"ended {show(finding.statuses)} instead of {show(wanted)}")
        return Verdict(
            drill=self.name,
            accepted=finding.accepted,
            lost=finding.lost,
            duplicates=finding.duplicates,
            window=finding.window,
            recovery_s=round(self.recovery_seconds, 2),
            problems=[*self.problems, *finding.problems],
            details=self.details,
        )


def show(statuses: Mapping[str, int]) -> str:
    """`3 delivered, 1 failed`."""
    return ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "nothing"


def ask(question: Callable[[], T]) -> T | None:
    """The database's answer, None while it is away."""
    try:
        return question()
    except (OperationalError, InterfaceError):
        connection.close()
        return None


@contextmanager
def open_scene(stack: Stack, name: str, patience: float = PATIENCE_SECONDS) -> Iterator[Scene]:
    """A scene on a clean stack; its sinks are closed afterwards, and what still runs is the next one's to clear."""
    stack.clear()
    with ExitStack() as closing:
        yield Scene(stack, name, closing, patience=patience)
