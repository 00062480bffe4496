"""The sizes of a run: how many messages, seconds and rounds, in full and by `--quick`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers.wanted import DEFAULTS, HARAKA, POSTFIX, TUNED, WIRE


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes, chosen so that the whole run takes about ten minutes on two processors.

    `messages` is the number of messages in a round of each side, `seconds` the time of a round of accepting.
    """

    rounds: int
    cache: Path
    messages: Mapping[str, int]
    seconds: float
    due_rows: int
    few_due_rows: int
    claimed: int
    page_calls: int
    worker_messages: int
    large_messages: int
    idle_posts: int
    idle_seconds: float
    starts: int


FULL_MESSAGES = {
    "plain": 2000,
    "tracked": 1500,
    "template": 1000,
    "both-batch": 2000,
    "both-template": 1500,
    "both-single": 800,
    "both-tracked": 500,
    WIRE: 10_000,
    DEFAULTS: 800,
    TUNED: 1500,
    POSTFIX: 2000,
    HARAKA: 600,
}
BATCHED = 100


def build_plan(*, is_quick: bool, rounds: int | None, cache: Path) -> Plan:
    """`rounds` None takes three, or one by `--quick`."""
    if is_quick:
        return Plan(
            rounds=rounds or 1,
            cache=cache,
            messages={name: max(count // 1000, 2) * BATCHED for name, count in FULL_MESSAGES.items()},
            seconds=0.5,
            due_rows=20_000,
            few_due_rows=2000,
            claimed=200,
            page_calls=3,
            worker_messages=1000,
            large_messages=5,
            idle_posts=5,
            idle_seconds=3,
            starts=1,
        )
    return Plan(
        rounds=rounds or 3,
        cache=cache,
        messages=FULL_MESSAGES,
        seconds=3,
        due_rows=1_000_000,
        few_due_rows=10_000,
        claimed=2000,
        page_calls=7,
        worker_messages=100_000,
        large_messages=200,
        idle_posts=100,
        idle_seconds=20,
        starts=3,
    )
