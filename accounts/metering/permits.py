"""What a request may take of its limits, and how it is told of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Self

from accounts.metering.counters import give_back, take
from accounts.metering.limits import Limit, Period, list_limits, utc_now
from accounts.metering.usage import load_starts
from accounts.models import ApiKey
from common.errors import TooManyRequestsError


class RateLimitError(TooManyRequestsError):
    """The limit of {limit} {noun} a second of {owner} is reached."""

    code = "rate_limit_exceeded"


class QuotaError(TooManyRequestsError):
    """The limit of {limit} messages a {period} of {owner} is reached; {remaining} are left."""

    code = "quota_exceeded"


@dataclass(kw_only=True)
class Permit:
    """What one request has taken of the limits of its key and project, or the error that refuses it."""

    limits: Sequence[Limit]
    remaining: Sequence[float | None]
    now: datetime
    message_count: int = 0
    error: TooManyRequestsError | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def ask(cls, key: ApiKey, messages: int = 0) -> Self:
        """Take one request and `messages` messages, or nothing: then it has an error."""
        now = utc_now()
        limits = list_limits(key, messages, now)
        taken = take(limits, load_starts)
        error = build_error(taken.refused, limits, taken.remaining, now) if taken.refused else None
        return cls(
            limits=limits,
            remaining=taken.remaining,
            now=now,
            message_count=0 if error else messages,
            error=error,
            headers=describe_limits(limits, taken.remaining, now),
        )

    def settle(self, accepted: int) -> None:
        """Give back the messages that were not accepted. A second call with the same number does nothing."""
        unused = self.message_count - accepted
        if unused > 0:
            give_back([replace(limit, amount=unused) for limit in self.limits if limit.noun == "messages"])
            self.message_count = accepted
            self.remaining = [
                left if left is None or limit.noun != "messages" else limit.cap(left + unused)
                for limit, left in zip(self.limits, self.remaining, strict=True)
            ]
            self.headers = describe_limits(self.limits, self.remaining, self.now)


def build_error(
    refused: Limit, limits: Sequence[Limit], remaining: Sequence[float | None], now: datetime
) -> TooManyRequestsError:
    left = remaining[limits.index(refused)] or 0.0
    headers = {"Retry-After": str(refused.retry_seconds(left, now))}
    owner = "this API key" if refused.is_of_key else "the project"
    if refused.period is Period.SECOND:
        return RateLimitError(limit=refused.most, noun=refused.noun, owner=owner, headers=headers)
    return QuotaError(
        limit=refused.most,
        period=refused.period.value,
        owner=owner,
        remaining=max(0, int(left)),
        headers=headers,
    )


def describe_limits(limits: Sequence[Limit], remaining: Sequence[float | None], now: datetime) -> Mapping[str, str]:
    """`RateLimit-…` for the tightest limit: the one with the least left, of equal ones the one that lasts longest."""
    told = [(math.floor(left), left, limit) for limit, left in zip(limits, remaining, strict=True) if left is not None]
    if not told:
        return {}
    least = min([whole for whole, _, _ in told])
    tightest = [(limit.reset_seconds(left, now), limit.most) for whole, left, limit in told if whole == least]
    reset, most = max(tightest, key=itemgetter(0))
    return {
        "RateLimit-Limit": str(most),
        "RateLimit-Remaining": str(max(0, least)),
        "RateLimit-Reset": str(reset),
    }
