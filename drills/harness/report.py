"""The result of a drill: one JSON line for programs, one table row for people."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("drill", "accepted", "lost", "duplicates", "window", "recovery_s", "result", "details")
ROW = "{:<18} {:>8} {:>5} {:>10} {:>6} {:>10}  {:<7}  {}"
# The detail of a drill that this machine cannot run: the reason.
NOT_PLAYED = "not_played"


@dataclass(frozen=True, kw_only=True)
class DrillVerdict:
    """A drill's numbers. `window` is the number of attempts with an unknown end; duplicates may not exceed it."""

    drill: str
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    window: int = 0
    recovery_s: float = 0.0
    problems: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_passed(self) -> bool:
        return not self.problems

    @property
    def result(self) -> str:
        """The result in words. A drill that this machine cannot run has no result."""
        return "FAILED" if self.problems else "skipped" if NOT_PLAYED in self.details else "pass"

    def as_json(self) -> str:
        """One line."""
        numbers = {name: getattr(self, name) for name in COLUMNS[:6]}
        return json.dumps({**numbers, "pass": self.is_passed, **self.details, "problems": list(self.problems)})

    def as_row(self) -> str:
        """A row of the table, with the violations below it."""
        numbers = [getattr(self, name) for name in COLUMNS[:6]]
        details = ", ".join(f"{name} {value}" for name, value in self.details.items())
        row = ROW.format(*numbers, self.result, details).rstrip()
        return "\n".join([row, *(f"    {problem}" for problem in self.problems)])


def build_head() -> str:
    """The table's header."""
    return ROW.format(*COLUMNS).rstrip()


def describe_machine() -> str:
    """The machine and its load: times depend on the other work of the machine."""
    return f"on {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
