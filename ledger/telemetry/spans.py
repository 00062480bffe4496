"""Spans of traces: what a request, and the accept, claims, attempts and webhook posts of an email took, and their ids.

Ids that both sides can work out join the spans: those of an email's trace and of its first span come from the email's
id, that of a claim from its attempt. So no process tells another, and nothing about traces is stored. Callers ask
`settings.IS_TRACED` first: while it is off, that is all that traces cost.
"""

import random
import re
import time
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from ledger.telemetry.gathering import gatherer

# Beyond so many spans in a second the oldest are left out.
MOST_SPANS = 50_000
# W3C Trace Context, 3.2; later versions may have more behind.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?\Z")
# Ids of traces and spans need no secrecy.
CHANCE = random.Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class SpanRef:
    """A span by its ids. `is_sampled`: what the trace's beginning decided; None where that is ours."""

    trace_id: int
    span_id: int
    is_sampled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFact:
    """A span that has ended, with Unix times in seconds. `link`: a span of another trace that led to it."""

    name: str
    ref: SpanRef
    parent: SpanRef | None = None
    link: SpanRef | None = None
    began_at: float
    ended_at: float
    has_failed: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)


facts: deque[SpanFact] = deque(maxlen=MOST_SPANS)
# The request that is being served, and the span that its caller names.
current_request: ContextVar[tuple[SpanRef, SpanRef | None] | None] = ContextVar("current_request", default=None)


def begin_request(traceparent: str) -> None:
    """Begin the span of a request: in the trace that the caller's header names, or in a new one."""
    found = TRACEPARENT.match(traceparent)
    if found is None:
        current_request.set((SpanRef(CHANCE.getrandbits(128) or 1, CHANCE.getrandbits(64) or 1), None))
        return
    trace_id, is_sampled = int(found[1], 16), bool(int(found[3], 16) & 1)
    caller = SpanRef(trace_id, int(found[2], 16), is_sampled)
    current_request.set((SpanRef(trace_id, CHANCE.getrandbits(64) or 1, is_sampled), caller))


def end_request(name: str, seconds: float, *, has_failed: bool, **attributes: Any) -> None:
    """Note the span of the request that `begin_request` began."""
    begun = current_request.get()
    if begun is None:
        return
    current_request.set(None)
    ref, caller = begun
    now = time.time()
    note(
        SpanFact(
            name=name,
            ref=ref,
            parent=caller,
            began_at=now - seconds,
            ended_at=now,
            has_failed=has_failed,
            attributes=attributes,
        )
    )


def note_accept(email_id: object, began_at: float, **attributes: Any) -> None:
    """Note the first span of an email's trace, and the request that brought the email, if there is one."""
    begun = current_request.get()
    note(
        SpanFact(
            name="accept",
            ref=email_span(email_id),
            link=begun[0] if begun else None,
            began_at=began_at,
            ended_at=time.time(),
            attributes={"email_id": email_id, **attributes},
        )
    )


def note_claim(email_id: object, attempt_id: int, began_at: float, **attributes: Any) -> None:
    """Note that a worker has claimed a recipient of an email, looked at it, and chosen a provider."""
    note(
        SpanFact(
            name="claim",
            ref=claim_span(email_id, attempt_id),
            parent=email_span(email_id),
            began_at=began_at,
            ended_at=time.time(),
            attributes={"email_id": email_id, "attempt_id": attempt_id, **attributes},
        )
    )


def note_step(
    name: str, parent: SpanRef | None, seconds: float, *, has_failed: bool = False, **attributes: Any
) -> None:
    """Note a step that ends now, below a span; without one in a trace of its own."""
    trace_id = parent.trace_id if parent else CHANCE.getrandbits(128) or 1
    now = time.time()
    note(
        SpanFact(
            name=name,
            ref=SpanRef(trace_id, CHANCE.getrandbits(64) or 1),
            parent=parent,
            began_at=now - seconds,
            ended_at=now,
            has_failed=has_failed,
            attributes=attributes,
        )
    )


def email_span(email_id: object) -> SpanRef:
    """The first span of an email's trace. The id of the trace is no plain UUIDv7, whose bits samplers expect to be
    spread evenly.
    """
    return SpanRef(hash_number(16, "trace", email_id), hash_number(8, "accept", email_id))


def claim_span(email_id: object, attempt_id: int) -> SpanRef:
    return SpanRef(email_span(email_id).trace_id, hash_number(8, "claim", f"{email_id} {attempt_id}"))


def hash_number(size: int, use: str, value: object) -> int:
    return int.from_bytes(blake2b(str(value).encode(), digest_size=size, person=use.encode()).digest()) or 1


def note(fact: SpanFact) -> None:
    facts.append(fact)
    if not gatherer.is_awake:
        gatherer.wake()
