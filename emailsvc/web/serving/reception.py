"""One request's body on its way in: how much of it is wanted, what it takes of the budget, how long it may take."""

import math
import time
from typing import Any

from common.errors import ApiError, BodyTooLargeError
from common.listening import BODY_CALLER, BODY_LIMIT
from emailsvc.web.serving.bodies import Body
from emailsvc.web.serving.budget import ByteBudget
from emailsvc.web.serving.limits import GATHER_BYTES, MIB, ServerLimits
from emailsvc.web.serving.refusals import TooManyBytesError


class Reception:
    """`length` is None for a chunked body. `release` gives everything back."""

    def __init__(self, length: int | None, limits: ServerLimits, budget: ByteBudget) -> None:
        self.body = Body(length)
        # Whom the bytes count for in the budget; "" before the application has told, and for all without a key.
        self.caller = ""
        self._limits = limits
        self._budget = budget
        self._limit = 0
        self._charged = 0
        self._started_at = 0.0

    @property
    def is_admitted(self) -> bool:
        """Whether the application has asked for the body."""
        return bool(self._limit)

    @property
    def is_large(self) -> bool:
        """Whether the application is asked before more of it is read."""
        return (self.body.size if self.body.length is None else self.body.length) > GATHER_BYTES

    @property
    def is_excessive(self) -> bool:
        """Whether a chunked body has more bytes than the application takes, which says so in its own words."""
        return self.body.length is None and self.is_admitted and self.body.size > self._limit

    @property
    def deadline(self) -> float:
        """When it must be complete; a chunked one has time for what has come."""
        length = self.body.length
        return self._started_at + self._limits.time_for(self.body.size if length is None else length)

    def start(self) -> None:
        self._started_at = time.monotonic()

    def admit(self, environ: dict[str, Any]) -> ApiError | None:
        """The application wants the body. Returns the refusal if it is too large, or there is no room."""
        self.caller = environ.get(BODY_CALLER, "")
        self._limit = environ.get(BODY_LIMIT, self._limits.body_bytes)
        length = self.body.length
        if length is not None and length > self._limit:
            return BodyTooLargeError(limit=self._limit)
        return None if self._charge(self.body.size if length is None else length) else TooManyBytesError()

    def charge(self) -> bool:
        """Take the bytes that have come from the budget; False if they exceed it."""
        return not self.is_admitted or self._charge(self.body.size)

    def _charge(self, size: int) -> bool:
        if size <= self._charged:
            return True
        missing = size - self._charged
        if self.body.length is None:
            missing = math.ceil(missing / MIB) * MIB
        if not self._budget.take(self.caller, missing):
            return False
        self._charged += missing
        return True

    def release(self) -> None:
        self.body.close()
        if self._charged:
            self._budget.give_back(self.caller, self._charged)
            self._charged = 0
