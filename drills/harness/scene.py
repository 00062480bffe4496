"""The means of a drill: a clean service, a project with a key, a sink for its mail, and expectations."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection

from accounts import scopes
from accounts.models import ApiKey, Project
from accounts.services import create_api_key, create_project
from common.addresses import parse_address
from drills.harness.evidence import Accepted, Evidence, collect_recipients
from drills.harness.judge import judge_evidence
from drills.harness.load import ApiResponse, Client, Load, build_email, read_accepted
from drills.harness.report import DrillVerdict
from drills.harness.stack import Stack
from drills.harness.watch import PATIENCE_SECONDS, Watch
from drills.stand_ins.rules import Rule, as_usual
from drills.stand_ins.sink import Sink
from messages import services
from messages.accepting.draft import Draft
from messages.states import Status
from providers.services import add_provider
from providers.targets import ProviderTarget

T = TypeVar("T")
BATCH = 500
# Of an answer that is shown as a problem; one about a whole batch has a line for each email.
ANSWER_LENGTH = 500
SENDER = parse_address("Shop <shop@drill.test>")


@dataclass(frozen=True, slots=True)
class Length:
    """How long a drill of random operations is played, and with which seed it begins; None is its own choice."""

    minutes: float | None = None
    seed: int | None = None


USUAL_LENGTH = Length()


class Scene(Watch):
    """One running drill. `expect` notes violations, which are judged at the end with all the others."""

    def __init__(self, stack: Stack, name: str, closing: ExitStack, *, patience: float = PATIENCE_SECONDS) -> None:
        super().__init__(patience)
        self.stack = stack
        self.name = name
        self.key, self.token = self.add_project(name)
        self._closing = closing
        self.accepted: list[Accepted] = []
        self.length = USUAL_LENGTH

    def add_project(self, name: str) -> tuple[ApiKey, str]:
        """A project with a key, and the key's text. All its mail is judged."""
        self.projects.append(create_project(name=f"{name} {time.monotonic_ns()}"))
        return create_api_key(self.projects[-1], scopes=scopes.ALL)

    def open_sink(self, rule: Rule = as_usual, *, receive_buffer: int = 0, project: Project | None = None) -> Sink:
        """A sink that is the provider of all projects, or of one."""
        sink = self.add_sink(rule, receive_buffer=receive_buffer)
        add_provider(project, name=f"sink-{len(self.sinks)}", target=ProviderTarget(url=sink.url), is_operated=True)
        return sink

    def add_sink(self, rule: Rule = as_usual, **options: Any) -> Sink:
        """A sink without a provider. Its mail is judged with the rest."""
        sink = self._closing.enter_context(Sink(self.journal(), rule, **options))
        self.sinks.append(sink)
        return sink

    def journal(self) -> Path:
        """The journal file of another provider."""
        folder = self.stack.ground.data / "journals"
        folder.mkdir(exist_ok=True)
        return folder / f"{self.name}-{len(self.sinks)}-{time.monotonic_ns()}"

    def keep_open(self, thing: AbstractContextManager[T]) -> T:
        """Enter a context, and leave it with the scene."""
        return self._closing.enter_context(thing)

    def client(self, token: str = "") -> Client:
        return Client(self.stack.ground.web_port, token or self.token)

    def load(
        self, rate: float, *, name: str = "load", clients: int = 4, is_persistent: bool = False, **values: object
    ) -> Load:
        """Emails at `rate` per second; `with` ends it, then `note_load` adds its accepted emails."""
        return Load(
            [self.client() for _ in range(clients)],
            rate,
            lambda number: build_email(f"{name}-{number}@drill.test", **values),
            is_persistent=is_persistent,
        )

    def note_load(self, load: Load) -> None:
        """Add all emails that were answered 202 to the accepted ones."""
        self.accepted += load.accepted
        if load.refused:
            self.details["refused"] = dict(load.refused)

    def post(self, address: str, **values: object) -> ApiResponse:
        """Post one email; it must be accepted."""
        with self.client() as client:
            reply = client.post("/emails", build_email(address, **values))
        self.expect(
            reply.status == HTTPStatus.ACCEPTED, f"POST /emails for {address} answered {reply.status}: {reply.body}"
        )
        if reply.status == HTTPStatus.ACCEPTED:
            self.accepted += read_accepted(reply.body)
        return reply

    def post_batch(self, count: int, *, name: str = "batch", each: Sequence[Mapping[str, object]] = ()) -> list[UUID]:
        """Post this many emails in one request, each with its own values; returns their ids, none if rejected."""
        addresses = [f"{name}-{number}@drill.test" for number in range(count)]
        emails = [build_email(address, **own) for address, own in zip(addresses, each or [{}] * count, strict=True)]
        with self.client() as client:
            reply = client.post("/emails/batch", emails)
        problem = f"POST /emails/batch answered {reply.status}: {str(reply.body)[:ANSWER_LENGTH]}"
        self.expect(reply.status == HTTPStatus.ACCEPTED, problem)
        ids = [UUID(item["id"]) for item in reply.body["data"]] if reply.status == HTTPStatus.ACCEPTED else []
        self.accepted += map(Accepted, ids, addresses)
        return ids

    def warm_up(self) -> None:
        """Wait until the started worker does its work."""
        self.fill(1, name="first")
        self.wait_for(lambda: self.find_time("first-0@drill.test"), "the worker to send its first mail")

    def fill(
        self, count: int, *, name: str = "fill", domain: str = "drill.test", key: ApiKey | None = None, **values: Any
    ) -> None:
        """Emails accepted without HTTP, for drills on other topics. Workers are woken only by wake-ups."""
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

    def verdict(self) -> DrillVerdict:
        """The judge's result for all mail, once nothing moves any more."""
        self.stack.kill_programs()
        connection.close()
        rows = collect_recipients([project.pk for project in self.projects])
        taken = [(mail.message_id, mail.address) for sink in self.sinks for mail in sink.taken]
        finding = judge_evidence(Evidence(accepted=self.accepted, recipients=rows, taken=taken))
        # A POST without a response may have been accepted too: such mail must be delivered as well.
        wanted = {str(Status.DELIVERED): len(rows)} if self.wanted is None else self.wanted
        if not self.may_wait and finding.statuses != wanted:
            self.problems.append(f"ended {format_statuses(finding.statuses)} instead of {format_statuses(wanted)}")
        return DrillVerdict(
            drill=self.name,
            accepted=finding.accepted,
            lost=finding.lost,
            duplicates=finding.duplicates,
            window=finding.window,
            recovery_s=round(self.recovery_seconds, 2),
            problems=[*self.problems, *finding.problems],
            details=self.details,
        )


def format_statuses(statuses: Mapping[str, int]) -> str:
    """`3 delivered, 1 failed`."""
    return ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "nothing"


@contextmanager
def open_scene(stack: Stack, name: str, patience: float = PATIENCE_SECONDS) -> Iterator[Scene]:
    """A scene on a clean stack; its sinks are closed at the end, and the next scene ends the remaining programs."""
    stack.clear()
    with ExitStack() as closing:
        yield Scene(stack, name, closing, patience=patience)
