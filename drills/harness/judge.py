"""Checks the promises against the sinks' journals and the database, never against a program's output."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from delivery.envelope import Outcome
from drills.harness.evidence import Evidence, RecipientRow
from messages.states import TERMINAL, TRANSITIONS, Status, roll_up

# Handed over: a sink must have the mail.
HANDED_OVER = frozenset({Status.SENT, Status.DELIVERED})
ENDED = TERMINAL | HANDED_OVER
WITH_REASON = frozenset({Status.FAILED, Status.BOUNCED, Status.SUPPRESSED})
FIRST = frozenset({Status.QUEUED, Status.SCHEDULED})
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The four numbers of a drill, and a description of each violation."""

    accepted: int
    lost: int
    duplicates: int
    window: int
    problems: Sequence[str] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)


def judge_evidence(evidence: Evidence) -> Finding:
    """Check promises 1 to 3 for all mail of the drill's project in the database and the journals."""
    copies = Counter(evidence.taken)
    lost = list_lost(evidence, copies)
    problems = [
        describe_finding("lost", lost),
        *(describe_finding(name, check(evidence)) for name, check in CHECKS.items()),
    ]
    return Finding(
        accepted=len(evidence.accepted),
        lost=len(lost),
        duplicates=sum(count - 1 for count in copies.values()),
        window=sum(count_uncertain(row) for row in evidence.recipients),
        problems=[problem for problem in problems if problem],
        statuses=dict(Counter(str(row.status) for row in evidence.recipients)),
    )


def describe_finding(name: str, found: Sequence[str]) -> str:
    """`3 lost: …; …; …`; empty if nothing was found."""
    more = ["…"] if len(found) > EXAMPLES else []
    return f"{len(found)} {name}: {'; '.join([*found[:EXAMPLES], *more])}" if found else ""


def list_lost(evidence: Evidence, copies: Mapping[tuple[str, str], int]) -> list[str]:
    """Accepted recipients that are neither finished nor legitimately pending, or are wrongly marked as handed over."""
    rows = {row.key: row for row in evidence.recipients}
    reasons = ((key.address, why_lost(rows.get(key), copies)) for key in evidence.accepted)
    return [f"{address} {reason}" for address, reason in reasons if reason]


def why_lost(row: RecipientRow | None, copies: Mapping[tuple[str, str], int]) -> str:
    """The reason in words; empty if the recipient is not lost."""
    if row is None:
        return "was accepted with 202 and is not in the database"
    if row.status in HANDED_OVER and not copies.get((row.message_id, row.address)):
        return f"is {row.status} and no sink has it"
    if row.status not in ENDED and not row.is_pending:
        return f"is {row.status} and nothing will ever look at it"
    return ""


def count_uncertain(row: RecipientRow) -> int:
    return sum(attempt.is_uncertain for attempt in row.attempts)


def list_unmarked(evidence: Evidence) -> list[str]:
    """Recipients with more copies than their uncertain attempts and the successful one explain."""
    copies = Counter(evidence.taken)
    found = []
    for row in evidence.recipients:
        count, allowed = copies.pop((row.message_id, row.address), 0), 1 + count_uncertain(row)
        if count > allowed:
            found.append(f"{row.address} has {count} copies, {allowed - 1} attempts were uncertain")
    return [*found, *(f"{address} is not in the database" for _, address in copies)]


def list_illegal_paths(evidence: Evidence) -> list[str]:
    """Recipients whose events do not follow the table of transitions to the current state."""
    return [f"{row.address} went {' → '.join(row.path)}" for row in evidence.recipients if not is_legal(row)]


def is_legal(row: RecipientRow) -> bool:
    if not row.path or row.path[0] not in FIRST or row.path[-1] is not row.status:
        return row.path == [Status.SUPPRESSED] and row.status is Status.SUPPRESSED
    return all(after in TRANSITIONS[before] for before, after in pairwise(row.path))


def list_overlaps(evidence: Evidence) -> list[str]:
    """Recipients leased by two attempts at once, or with attempts that never ended."""
    return [
        f"{row.address}: attempt {earlier.number} ended after attempt {later.number} began"
        for row in evidence.recipients
        for earlier, later in pairwise(row.attempts)
        if earlier.finished_at is None or earlier.finished_at > later.claimed_at
    ]


def list_cancelled_and_sent(evidence: Evidence) -> list[str]:
    """Recipients in a sink's journal although their cancel was answered 200."""
    taken = set(evidence.taken)
    cancelled = (row for row in evidence.recipients if row.status is Status.CANCELLED)
    return [row.address for row in cancelled if (row.message_id, row.address) in taken]


def list_without_reason(evidence: Evidence) -> list[str]:
    return [row.address for row in evidence.recipients if row.status in WITH_REASON and not row.reason]


def list_wrong_roll_ups(evidence: Evidence) -> list[str]:
    """Messages whose status does not follow from their recipients' statuses."""
    statuses: dict[tuple[str, Status], set[Status]] = {}
    for row in evidence.recipients:
        statuses.setdefault((row.message_id, row.message_status), set()).add(row.status)
    return [f"{name} is {status}" for (name, status), found in statuses.items() if roll_up(found) is not status]


def list_delivered_without_attempt(evidence: Evidence) -> list[str]:
    """Recipients marked as handed over without a successful attempt or feedback from the provider."""
    good = {Outcome.ACCEPTED, Outcome.DELIVERED}
    handed = (row for row in evidence.recipients if row.status in HANDED_OVER and not row.is_told)
    return [row.address for row in handed if not any(attempt.outcome in good for attempt in row.attempts)]


CHECKS: Mapping[str, Callable[[Evidence], list[str]]] = {
    "duplicated beyond the window": list_unmarked,
    "on an illegal path": list_illegal_paths,
    "leased twice at once": list_overlaps,
    "cancelled and delivered": list_cancelled_and_sent,
    "ended without a reason": list_without_reason,
    "messages with a wrong status": list_wrong_roll_ups,
    "handed over without a successful attempt": list_delivered_without_attempt,
}
