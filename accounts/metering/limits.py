"""The limits that one request touches: of its key and of the key's project, by second, day and month."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from accounts.installation.limits import LimitValues, find_limits
from accounts.models import ApiKey
from ledger.cached_rows import cached_rows

# How long a counter is kept, in seconds: a little longer than its period.
LIVES = {"second": 120, "day": 2 * 86400, "month": 33 * 86400}


class Period(Enum):
    """The time in which a limit may be used up. Days and months are those of UTC."""

    SECOND = "second"
    DAY = "day"
    MONTH = "month"

    def start(self, now: datetime) -> datetime:
        """The start of the day or month."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.replace(day=1) if self is Period.MONTH else midnight

    def end(self, now: datetime) -> datetime:
        start = self.start(now)
        days = 32 if self is Period.MONTH else 1
        return self.start(start + timedelta(days=days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit with the amount that a request takes of it; `most` None only counts.

    A limit by second is a bucket that holds the amount of one second. An amount above that is taken when the bucket is
    full, and leaves a debt. The others are counters.
    """

    key: str
    noun: str
    period: Period
    most: int | None
    amount: int
    owner_id: UUID
    is_of_key: bool

    is_bucket: bool = field(init=False)
    # The limit and its amount as the script of `counters` reads them.
    words: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_bucket", self.period is Period.SECOND)
        most = "-" if self.most is None else self.most
        words = f"{'b' if self.is_bucket else 'c'} {most} {self.amount} {LIVES[self.period.value]}"
        object.__setattr__(self, "words", words)

    def cap(self, remaining: float) -> float:
        """`remaining`, or what there is at most."""
        return remaining if self.most is None else min(remaining, self.most)

    def reset_seconds(self, remaining: float, now: datetime) -> int:
        """The seconds until the whole limit is free again."""
        if not self.is_bucket:
            return math.ceil((self.period.end(now) - now).total_seconds())
        assert self.most is not None
        return max(1, math.ceil((self.most - remaining) / self.most))

    def retry_seconds(self, remaining: float, now: datetime) -> int:
        """The seconds until the amount can be taken."""
        if not self.is_bucket:
            return self.reset_seconds(remaining, now)
        assert self.most is not None
        return max(1, math.ceil((min(self.amount, self.most) - remaining) / self.most))


def list_limits(key: ApiKey, messages: int, now: datetime) -> Sequence[Limit]:
    """The limits of a request that accepts `messages`, those of the longest period last.

    Test mail has limits by second only.
    """
    # Their names have the day.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    def build() -> Sequence[Limit]:
        project, own = cached_rows.get(
            ("limits", key.pk), lambda: (find_limits(key.project) if key.project else LimitValues(), find_limits(key))
        )
        limits = build_limits(own, key.pk, messages, today, is_of_key=True, is_test=key.is_test)
        if key.project_id is not None:
            limits += build_limits(project, key.project_id, messages, today, is_of_key=False, is_test=key.is_test)
        return sorted(limits, key=lambda limit: LIVES[limit.period.value])

    return cached_rows.get(("limits", key.pk, messages, today), build)


def build_limits(
    values: LimitValues, owner_id: UUID, messages: int, now: datetime, *, is_of_key: bool, is_test: bool
) -> list[Limit]:
    # The days of a key are counted for its month too: they are what the database keeps.
    counts_days = values.messages_per_day or (is_of_key and values.messages_per_month)
    table = (
        ("requests", Period.SECOND, values.requests_per_second, 1, values.requests_per_second),
        ("messages", Period.SECOND, values.messages_per_second, messages, values.messages_per_second),
        ("messages", Period.DAY, values.messages_per_day, messages, counts_days and not is_test),
        ("messages", Period.MONTH, values.messages_per_month, messages, values.messages_per_month and not is_test),
    )
    return [
        Limit(
            key=name_counter(owner_id, noun, period, now),
            noun=noun,
            period=period,
            most=most,
            amount=amount,
            owner_id=owner_id,
            is_of_key=is_of_key,
        )
        for noun, period, most, amount, applies in table
        if applies
    ]


def name_counter(owner_id: UUID, noun: str, period: Period, now: datetime) -> str:
    """The name under which Redis has it."""
    day = "" if period is Period.SECOND else f":{period.start(now):%Y%m%d}"
    return f"limit:{owner_id}:{noun}:{period.value}{day}"


def utc_now() -> datetime:
    return datetime.now(UTC)
