"""Judges scopes: the rates of the last 24 hours against the project's thresholds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.sql import fetch_as
from messages.guard.counting import BUCKET
from messages.pause_models import PauseKind

# Fewer messages, or fewer bounces or complaints, say nothing.
MIN_MESSAGES = 200
MIN_EVENTS = 3
# Above so many times its threshold a rate pauses mail.
PAUSE_FACTOR = 1.5
# Slowed mail goes at this part of its pace.
SLOW_PART = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a scope's mail did since the later of 24 hours ago and its last resume by a person."""

    project_id: UUID
    kind: PauseKind
    value: str
    sent: int
    bounced: int
    complained: int
    # The most in ten minutes.
    peak: int
    bounce_percent: float | None
    complaint_percent: float | None

    @property
    def measures(self) -> "Iterable[Measure]":
        yield Measure("bounced", self.bounced, self.sent, self.bounce_percent)
        yield Measure("was reported as spam", self.complained, self.sent, self.complaint_percent)

    @property
    def worst(self) -> "Measure":
        return max(self.measures, key=lambda measure: measure.excess)

    @property
    def per_minute(self) -> int:
        """A tenth of its pace."""
        return max(1, round(self.peak / (BUCKET / timedelta(minutes=1)) / SLOW_PART))


@dataclass(frozen=True, slots=True)
class Measure:
    """A rate against its threshold."""

    words: str
    count: int
    sent: int
    threshold: float | None

    @property
    def percent(self) -> float:
        return 100 * self.count / self.sent if self.sent else 0.0

    @property
    def excess(self) -> float:
        """How many times the threshold it is; 0 where it counts for nothing."""
        if self.threshold is None or self.sent <= MIN_MESSAGES or self.count < MIN_EVENTS:
            return 0.0
        return self.percent / self.threshold

    def describe(self) -> str:
        return (
            f"{self.percent:.2g} % of {self.sent} mails {self.words} within 24 hours; the threshold is "
            f"{self.threshold:g} %"
        )

    def as_data(self) -> Mapping[str, object]:
        return {
            "measure": "bounces" if self.words == "bounced" else "complaints",
            "count": self.count,
            "messages": self.sent,
            "percent": round(self.percent, 3),
            "threshold": self.threshold,
        }


# A person's resume starts the count anew: of its own scope, and of all scopes with the project's.
_SCOPES = """
WITH resumed AS (
    SELECT project_id, kind, value, max(ended_at) AS at FROM mail_pause
    WHERE is_by_guard AND ended_at > %(since)s AND ended_by <> %(guard)s GROUP BY 1, 2, 3
)
SELECT c.project_id, c.kind, c.value, sum(c.sent)::bigint AS sent, sum(c.bounced)::bigint AS bounced,
       sum(c.complained)::bigint AS complained, max(c.sent) AS peak,
       p.guard_bounce_percent AS bounce_percent, p.guard_complaint_percent AS complaint_percent
FROM mail_guardcount c
JOIN accounts_project p ON p.id = c.project_id
LEFT JOIN resumed own ON own.project_id = c.project_id AND own.kind = c.kind AND own.value = c.value
LEFT JOIN resumed whole ON whole.project_id = c.project_id AND whole.kind = %(project)s
WHERE c.starts_at > %(since)s AND c.starts_at >= GREATEST(own.at, whole.at, %(since)s)
GROUP BY 1, 2, 3, p.id
HAVING sum(c.sent) > %(most)s AND (sum(c.bounced) >= %(events)s OR sum(c.complained) >= %(events)s)
"""


def read_scopes(now: datetime) -> list[Scope]:
    """Every scope that can be over a threshold, the projects first."""
    values = {
        "since": now - timedelta(hours=24),
        "guard": GUARD,
        "project": PauseKind.PROJECT,
        "most": MIN_MESSAGES,
        "events": MIN_EVENTS,
    }
    found = fetch_as(Scope, _SCOPES, values)
    return sorted(found, key=lambda scope: scope.kind is not PauseKind.PROJECT)


# The actor in pauses, in their ends and in the audit log.
GUARD = "guard"
