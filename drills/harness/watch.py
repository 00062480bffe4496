"""Observes a drill from outside: mail in the sinks, open recipients, violations."""

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
    """Waits and expectations of a drill. `patience` is the default time limit in seconds."""

    def __init__(self, patience: float) -> None:
        self.projects: list[Project] = []
        # Everything that accepts and notes mail: all of it is judged.
        self.sinks: list[Any] = []
        self.details: dict[str, object] = {}
        self.problems: list[str] = []
        self.recovery_seconds = 0.0
        # The expected number of recipients by final status; None means all delivered.
        self.wanted: Mapping[str, int] | None = None
        self.may_wait = False
        self._patience = patience

    @property
    def sink(self) -> Sink:
        """The first project's provider."""
        sink: Sink = self.sinks[0]
        return sink

    def find_time(self, address: str) -> float:
        """The time when the mail for an address was on the first sink's disk (monotonic seconds), 0 before."""
        return next((mail.at for mail in self.sink.taken if mail.address == address), 0.0)

    def times(self) -> Mapping[str, float]:
        """The time when the first mail for each address was on a sink's disk (monotonic seconds)."""
        return {mail.address: mail.at for sink in self.sinks for mail in reversed(sink.taken)}

    def expect(self, is_true: object, words: str) -> None:
        """Note `words` as a violation, unless the condition is true."""
        if not is_true:
            self.problems.append(words)

    def wait_for(self, is_true: Callable[[], object], what: str, seconds: float = 0.0) -> None:
        """Wait until the condition holds. After `seconds`, by default a minute, NotUpError: the drill has failed."""
        await_condition(is_true, what, seconds or self._patience)

    def wait_for_mail(self, count: int, seconds: float = 0.0) -> None:
        """Wait until `count` more mails are in the sink."""
        wanted = len(self.sink.taken) + count
        self.wait_for(lambda: len(self.sink.taken) >= wanted, f"{count} more mails in the sink", seconds)

    def wait_for_quiet(self, since: float, *, seconds: float = 0.0) -> None:
        """Wait until nothing is due, leased or scheduled; `recovery_s` counts from `since`, the end of the fault."""
        try:
            self.wait_for(lambda: self.count_open() == 0, "everything accepted to end", seconds)
        except NotUpError:
            waited = time.monotonic() - since
            self.problems.append(f"not quiet {waited:.0f} s after the fault: {self.count_open()} are still open")
        self.recovery_seconds = time.monotonic() - since

    def count_open(self) -> int | None:
        """The number of unfinished recipients; None while the database is absent."""
        is_open = Q(next_attempt_at__isnull=False) | Q(lease_token__isnull=False) | Q(status=Status.SCHEDULED)
        return ask(lambda: Recipient.objects.filter(is_open, project__in=self.projects).count())

    def find_status(self, address: str) -> str | None:
        """The status of the mail for an address."""
        rows = Recipient.objects.filter(project__in=self.projects, address=address)
        return ask(lambda: rows.values_list("status", flat=True).first())

    def limit_duplicates(self, bound: int) -> None:
        """The most duplicates that a crash can cause: the marked mails of the killed children."""
        copies = [(mail.message_id, mail.address) for sink in self.sinks for mail in sink.taken]
        doubled = len(copies) - len(set(copies))
        self.details["bound"] = bound
        self.expect(doubled <= bound, f"{doubled} duplicates, the kills allow {bound}")

    def expect_statuses(self, wanted: Mapping[Status, int]) -> None:
        """Expect these numbers of recipients by final status, instead of all `delivered`."""
        self.wanted = {str(status): count for status, count in wanted.items() if count}

    def skip(self, reason: str) -> None:
        """This machine cannot run the drill: reported with the reason, neither passed nor failed."""
        self.details[NOT_PLAYED] = reason
        self.let_wait()

    def let_wait(self) -> None:
        """The drill ends before all its mail has gone; the rest must wait for a legitimate reason."""
        self.may_wait = True


def ask(question: Callable[[], T]) -> T | None:
    """The database's result, None while it is absent."""
    try:
        return question()
    except (OperationalError, InterfaceError):
        connection.close()
        return None
