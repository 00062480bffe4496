"""Whether an ESP's event webhook is from the ESP: each signs in a way of its own, over the raw body.

Where a signature's time is that of the very try, it may be five minutes off. An older one is a replay, unless the ESP
repeats what it once signed: then the event's id makes the repetition harmless.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import time

from cryptography.exceptions import InvalidSignature

TOLERANCE = timedelta(minutes=5)


class ForgedError(Exception):
    """The signature is missing or wrong, or too old. Says which, and nothing of what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A webhook as it came; names of headers in lower case."""

    body: bytes
    headers: Mapping[str, str]


Verifier = Callable[[str, Posted, float], None]


def check_signature(verify: Verifier, key: str, posted: Posted, now: float | None = None) -> None:
    """ForgedError unless `posted` bears the signature that `verify` looks at, by `key`."""
    try:
        verify(key, posted, time() if now is None else now)
    except ForgedError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, InvalidSignature):
        # A key or a header that is none, a body that is not JSON.
        raise ForgedError("the signature cannot be read, or is not by this key") from None


def check_age(sent_at: str, now: float, tolerance: timedelta) -> None:
    if abs(now - int(sent_at[:20])) > tolerance.total_seconds():
        raise ForgedError("the signature is too old, or this machine's clock is wrong")


def compare_any(expected: str, given: list[str]) -> None:
    """Each in constant time, and all of them."""
    if sum(hmac.compare_digest(expected.encode(), one.encode()) for one in given[:10]) == 0:
        raise ForgedError("the signature is wrong")
