"""Looking at a drill from outside: what has come to the sinks, what is still open, what was not as promised."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q

from accounts.models import Project
from drills.harness.report import NOT_PLAYED
from drills.harness.stack import NotUpError, await_condition
from drills.stand_ins.sink import Sink
from messages.models import Recipient
from messages.states import Status

T = TypeVar("T")
PATIENCE_SECONDS = 60.0


class Watch:
    """What a drill waits for and expects. `patience` is how long, in seconds, it waits for anything by default."""

    def __init__(self, patience: float) -> None:
        self.projects: list[Project] = []
        # Whatever takes mail and notes it: all of it is judged.
        self.sinks: list[Any] = []
        self.details: dict[str, object] = {}
        self.problems: list[str] = []
        self.recovery_seconds = 0.0
        # How many recipients are to end how; None is all of them delivered.
        self.wanted: Mapping[str, int] | None = None
        self.may_wait = False
        self._patience = patience

    @property
    def sink(self) -> Sink:
        """The first project's way out."""
        sink: Sink = self.sinks[0]
        return sink

    def find_time(self, address: str) -> float:
        """When the mail for an address was on the first sink's disk (monotonic seconds), 0 while it is not."""
        return next((mail.at for mail in self.sink.taken if mail.address == address), 0.0)

    def times(self) -> Mapping[str, float]:
        """When the first mail for each address was on a sink's disk (monotonic seconds)."""
        return {mail.address: mail.at for sink in self.sinks for mail in reversed(sink.taken)}

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
        self.wanted = {str(status): count for status, count in wanted.items() if count}

    def skip(self, reason: str) -> None:
        """This machine cannot play the drill: told with its line, and neither proof nor failure."""
        self.details[NOT_PLAYED] = reason
        self.let_wait()

    def let_wait(self) -> None:
        """The drill is over before all its mail has gone; what still waits must do so honestly."""
        self.may_wait = True


def ask(question: Callable[[], T]) -> T | None:
    """The database's answer, None while it is away."""
    try:
        return question()
    except (OperationalError, InterfaceError):
        connection.close()
        return None
