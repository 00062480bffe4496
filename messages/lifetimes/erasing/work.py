"""What the steps of an erasure are given, and what each of them tells."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import greatest_id_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The address, in lower case, that is erased from a project's data of before a time."""

    project_id: UUID
    address: str
    pattern: str
    asked_at: datetime

    @property
    def values(self) -> Mapping[str, Any]:
        """For statements. Mail that was accepted after `newest` is not concerned: its own erasure would be."""
        return {
            "project": self.project_id,
            "address": self.address,
            "pattern": self.pattern,
            "newest": greatest_id_at(self.asked_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one batch of a step did. `place` is where the next one begins; None when the step is done.

    `is_waiting`: a worker is still sending to the address; the step goes on when its lease is over.
    """

    place: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    is_waiting: bool = False


# One batch of a step, from a place ("" at first), in the caller's transaction.
Step = Callable[[Subject, str], StepResult]
